//! The checksums of objects, as S3 names and writes them.
//! S3 user guide, "Checking object integrity for data uploads".

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::crc::Crc;
use super::failure::Failure;

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// AWS's name, e.g. `CRC32`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The element of answers, e.g. `ChecksumCRC32`.
    pub(super) const fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The header, e.g. `x-amz-checksum-crc32`.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(super) fn of_name(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            Failure::invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    pub(super) fn of_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }

    /// How the checksum of an upload in parts is made when nobody says it.
    pub(super) const fn usual_kind(self) -> Kind {
        match self {
            Self::Crc64Nvme => Kind::FullObject,
            _ => Kind::Composite,
        }
    }

    pub(super) fn hasher(self) -> Hasher {
        match self {
            Self::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
            Self::Crc32c => Hasher::Crc32c(Crc::castagnoli()),
            Self::Crc64Nvme => Hasher::Crc64Nvme(Crc::nvme()),
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }
}

/// What the checksum of an object that came in parts is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Kind {
    /// Of its bytes.
    FullObject,
    /// Of the checksums of its parts.
    Composite,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    pub(super) fn of_name(name: &str) -> Result<Self, Failure> {
        match name {
            "FULL_OBJECT" => Ok(Self::FullObject),
            "COMPOSITE" => Ok(Self::Composite),
            _ => Err(Failure::invalid_request("Value for x-amz-checksum-type header is invalid.")),
        }
    }
}

/// A checksum that is known, in Base64; of parts with their number behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) value: String,
    pub(super) kind: Kind,
}

/// A checksum that is being computed.
pub(super) enum Hasher {
    Crc32(crc32fast::Hasher),
    Crc32c(Crc),
    Crc64Nvme(Crc),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(data),
            Self::Crc32c(hasher) | Self::Crc64Nvme(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
        }
    }

    /// In Base64, as everywhere in the protocol.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc32(hasher) => STANDARD.encode(hasher.finalize().to_be_bytes()),
            Self::Crc32c(hasher) => {
                STANDARD.encode(u32::try_from(hasher.value()).unwrap_or_default().to_be_bytes())
            }
            Self::Crc64Nvme(hasher) => STANDARD.encode(hasher.value().to_be_bytes()),
            Self::Sha1(hasher) => STANDARD.encode(hasher.finalize()),
            Self::Sha256(hasher) => STANDARD.encode(hasher.finalize()),
        }
    }
}

/// The checksum of the checksums of parts, with their number.
pub(super) fn composite<'c>(algorithm: Algorithm, parts: impl Iterator<Item = &'c str>) -> String {
    let (mut hasher, mut count) = (algorithm.hasher(), 0);
    for part in parts {
        hasher.update(&STANDARD.decode(part).unwrap_or_default());
        count += 1;
    }
    format!("{}-{count}", hasher.finish())
}

/// What a request says its body adds up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Promised {
    /// `Content-MD5`, decoded.
    pub(super) md5: Option<Vec<u8>>,
    /// The checksum to compute, and its value if it is known before the body.
    pub(super) checksum: Option<(Algorithm, Option<String>)>,
    /// Whether the value comes behind the body.
    pub(super) is_behind: bool,
}

impl Promised {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = match text("content-md5") {
            None => None,
            Some(md5) => {
                let decoded = STANDARD.decode(md5).ok().filter(|md5| md5.len() == 16);
                let invalid =
                    || Failure::new("InvalidDigest", 400, "The Content-MD5 you specified was invalid.");
                Some(decoded.ok_or_else(invalid)?)
            }
        };
        let mut given =
            Algorithm::ALL.into_iter().filter_map(|algorithm| Some((algorithm, text(algorithm.header())?)));
        let checksum = given.next();
        if given.next().is_some() {
            return Err(Failure::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        let announced = || -> Result<Option<Algorithm>, Failure> {
            if let Some(trailer) = text("x-amz-trailer") {
                let invalid = || {
                    Failure::invalid_request(
                        "The value specified in the x-amz-trailer header is not supported",
                    )
                };
                return Algorithm::of_header(trailer.trim()).map(Some).ok_or_else(invalid);
            }
            text("x-amz-sdk-checksum-algorithm").map(Algorithm::of_name).transpose()
        };
        let checksum = match checksum {
            Some((algorithm, value)) => Some((algorithm, Some(value.to_owned()))),
            None => announced()?.map(|algorithm| (algorithm, None)),
        };
        Ok(Self { md5, checksum, is_behind: headers.contains_key("x-amz-trailer") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_as_aws_writes_them() {
        let of = |algorithm: Algorithm| {
            let mut hasher = algorithm.hasher();
            hasher.update(b"123456789");
            hasher.finish()
        };
        // The check values of the algorithms, in Base64.
        assert_eq!(of(Algorithm::Crc32), "y/Q5Jg==");
        assert_eq!(of(Algorithm::Crc32c), "4waSgw==");
        assert_eq!(of(Algorithm::Crc64Nvme), "rosUhgp5mIg=");
        assert_eq!(of(Algorithm::Sha256), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        assert_eq!(composite(Algorithm::Crc32, ["y/Q5Jg=="].into_iter()), {
            let mut hasher = Algorithm::Crc32.hasher();
            hasher.update(&[0xcb, 0xf4, 0x39, 0x26]);
            format!("{}-1", hasher.finish())
        });
    }

    #[test]
    fn one_checksum_is_promised_or_none() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            Promised::read(&headers.collect()).map_err(|failure| failure.code)
        };
        let checksum = |pairs: &[(&'static str, &'static str)]| read(pairs).unwrap().checksum;
        assert_eq!(checksum(&[]), None);
        assert_eq!(
            checksum(&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]),
            Some((Algorithm::Crc32, Some("AAAAAA==".to_owned())))
        );
        assert_eq!(
            checksum(&[("x-amz-trailer", "x-amz-checksum-crc64nvme")]),
            Some((Algorithm::Crc64Nvme, None))
        );
        assert_eq!(
            read(&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-sha1", "x")]).unwrap_err(),
            "InvalidRequest"
        );
        assert_eq!(read(&[("content-md5", "no")]).unwrap_err(), "InvalidDigest");
        assert_eq!(read(&[("x-amz-trailer", "x-amz-other")]).unwrap_err(), "InvalidRequest");
    }
}
