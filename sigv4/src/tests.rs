//! Against AWS's signing test suite (cases named as there).

use super::*;

const SESSION_TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const EMPTY: &[u8] = b"";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The headers after signing with the suite's keys at its time.
fn signed(
    session_token: Option<&str>,
    method: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> BTreeMap<&'static str, String> {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(str::to_owned),
    };
    let mut headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.insert("host", "example.amazonaws.com".into());
    let scope = Scope { region: "us-east-1", service: "service" };
    Request { method, path: "/", query: &[], headers, body }.signed(
        &credentials,
        &scope,
        at("2015-08-30T12:36:00Z"),
    )
}

#[test]
fn signatures_are_those_of_the_suite() {
    let form = [
        ("content-length", "13"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
    ];
    let check = |name: &str, found: &BTreeMap<_, String>, signature: &str| {
        let authorization = &found["authorization"];
        assert!(authorization.ends_with(&format!(", Signature={signature}")), "{name}: {authorization}");
    };
    check(
        "get-vanilla",
        &signed(None, "GET", &[], EMPTY),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    check(
        "post-vanilla",
        &signed(None, "POST", &[], EMPTY),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check(
        "get-vanilla-with-session-token",
        &signed(Some(SESSION_TOKEN), "GET", &[], EMPTY),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    );
    check(
        "post-header-key-sort",
        &signed(None, "POST", &[("my-header1", "value1")], EMPTY),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    );
    check(
        "post-x-www-form-urlencoded",
        &signed(None, "POST", &form, b"Param1=value1"),
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    );
}

#[test]
fn the_header_names_key_scope_and_headers() {
    let found = signed(Some(SESSION_TOKEN), "GET", &[], EMPTY);
    assert_eq!(
        found["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-security-token, \
         Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    );
    assert_eq!(found["x-amz-date"], "20150830T123600Z");
    assert_eq!(found["x-amz-security-token"], SESSION_TOKEN);
}

/// Case get-vanilla-query-order-key-case of the suite.
#[test]
fn queries_are_sorted() {
    let query = [("Param2", "value2"), ("Param1", "value1")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let of = |path: &str, query: &[(String, String)]| {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let headers = [("host", "example.amazonaws.com".to_owned())].into();
        let scope = Scope { region: "us-east-1", service: "service" };
        let signed = Request { method: "GET", path, query, headers, body: EMPTY }.signed(
            &credentials,
            &scope,
            at("2015-08-30T12:36:00Z"),
        );
        signed["authorization"].rsplit_once('=').unwrap().1.to_owned()
    };
    assert_eq!(of("/", &query), "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

#[test]
fn a_path_is_encoded_between_its_slashes() {
    assert_eq!(encoded_path("/a b/c+d/"), "/a%20b/c%2Bd/");
}

/// The examples of the S3 API reference: "Transferring Payload in a Single Chunk", "Using Query
/// Parameters", "Transferring Payload in Multiple Chunks", "Including Trailing Headers".
mod s3 {
    use super::*;

    /// 2013-05-24T00:00:00Z.
    const NOW_SECONDS: i64 = 1_369_353_600;
    const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn keys() -> Credentials {
        Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    struct Example {
        method: &'static str,
        path: &'static str,
        query: String,
        headers: Vec<(&'static str, String)>,
    }

    impl Example {
        fn new(
            method: &'static str,
            path: &'static str,
            query: &str,
            headers: &[(&'static str, &str)],
        ) -> Self {
            let mut all = vec![("host", "examplebucket.s3.amazonaws.com".to_owned())];
            for (name, value) in headers {
                all.retain(|(known, _)| known != name);
                all.push((name, (*value).to_owned()));
            }
            Self { method, path, query: query.to_owned(), headers: all }
        }

        fn authorized(mut self, names: &str, signature: &str) -> Self {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={names},Signature={signature}"
            );
            self.headers.push(("authorization", authorization));
            self
        }

        fn verify(&self, digest: &str, now_seconds: i64) -> Result<ChunkSignatures, Problem> {
            let headers: Vec<_> =
                self.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let Self { method, path, query, .. } = self;
            let received = Received { method, path, query, headers: &headers };
            let claim = Claim::read(&received)?;
            assert_eq!(claim.access_key_id, keys().access_key_id);
            claim.verify(&received, &keys(), "s3", digest, now_seconds)
        }
    }

    #[test]
    fn objects_are_read_and_written() {
        let get = Example::new(
            "GET",
            "/test.txt",
            "",
            &[
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", EMPTY_DIGEST),
                ("x-amz-date", "20130524T000000Z"),
            ],
        );
        let get = get.authorized(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        get.verify(EMPTY_DIGEST, NOW_SECONDS).unwrap();
        assert_eq!(get.verify(UNSIGNED_PAYLOAD, NOW_SECONDS).unwrap_err(), Problem::Mismatch);
        let content = digest(b"Welcome to Amazon S3.");
        let put = Example::new(
            "PUT",
            "/test%24file.text",
            "",
            &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-content-sha256", &content),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
        );
        let put = put.authorized(
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
        put.verify(&content, NOW_SECONDS).unwrap();
        let list = Example::new(
            "GET",
            "/",
            "max-keys=2&prefix=J",
            &[("x-amz-content-sha256", EMPTY_DIGEST), ("x-amz-date", "20130524T000000Z")],
        );
        let list = list.authorized(
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
        list.verify(EMPTY_DIGEST, NOW_SECONDS).unwrap();
    }

    fn presigned() -> Example {
        Example::new(
            "GET",
            "/test.txt",
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
             aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
             aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            &[],
        )
    }

    #[test]
    fn a_presigned_url_is_good_for_its_time_and_nothing_else() {
        presigned().verify(UNSIGNED_PAYLOAD, NOW_SECONDS).unwrap();
        presigned().verify(UNSIGNED_PAYLOAD, NOW_SECONDS + 86_400).unwrap();
        let refused = |example: &Example, now| example.verify(UNSIGNED_PAYLOAD, now).unwrap_err();
        assert_eq!(refused(&presigned(), NOW_SECONDS + 86_401), Problem::LinkExpired);
        let before = refused(&presigned(), NOW_SECONDS - SKEW_MINUTES * 60 - 1);
        assert!(matches!(before, Problem::NotYet { .. }), "{before:?}");
        for (from, to, problem) in [
            ("Expires=86400", "Expires=604801", Problem::Expires),
            ("Expires=86400", "Expires=0", Problem::Expires),
            ("Expires=86400", "Expires=x", Problem::Expires),
            ("Expires=86400", "Expires=86401", Problem::Mismatch),
            ("&X-Amz-Expires=86400", "", Problem::Parts(vec!["Expires"])),
            ("Signature=a", "Signature=b", Problem::Mismatch),
            ("&X-Amz-SignedHeaders", "&more=1&X-Amz-SignedHeaders", Problem::Mismatch),
            ("HMAC-SHA256", "HMAC-SHA1", Problem::Algorithm("AWS4-HMAC-SHA1".to_owned())),
            ("%2Fs3%2F", "%2Fsqs%2F", Problem::Service("s3".to_owned())),
        ] {
            let mut example = presigned();
            example.query = example.query.replace(from, to);
            assert_eq!(refused(&example, NOW_SECONDS), problem, "{from} -> {to}");
        }
        let mut other = presigned();
        other.path = "/other.txt";
        assert_eq!(refused(&other, NOW_SECONDS), Problem::Mismatch);
        other.headers.push(("x-amz-acl", "public-read".to_owned()));
        assert_eq!(refused(&other, NOW_SECONDS), Problem::Unsigned("x-amz-acl".to_owned()));
    }

    fn in_chunks(payload: &str, length: &str, trailer: Option<&'static str>, seed: &str) -> ChunkSignatures {
        let mut headers = vec![
            ("content-encoding", "aws-chunked"),
            ("content-length", length),
            ("host", "s3.amazonaws.com"),
            ("x-amz-content-sha256", payload),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        if let Some(trailer) = trailer {
            // The example with trailing headers has no length.
            headers.retain(|(name, _)| *name != "content-length");
            headers.push(("x-amz-trailer", trailer));
        }
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let put =
            Example::new("PUT", "/examplebucket/chunkObject.txt", "", &headers).authorized(&names, seed);
        put.verify(payload, NOW_SECONDS).unwrap()
    }

    const SIGNED: [&str; 3] = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];

    /// 64 KiB and 1 KiB of the letter a.
    fn chunked(signatures: [&str; 3], trailers: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (size, signature) in [65_536_usize, 1024, 0].into_iter().zip(signatures) {
            body.extend(format!("{size:x};chunk-signature={signature}\r\n").bytes());
            if size > 0 {
                body.extend(std::iter::repeat_n(b'a', size));
                body.extend(b"\r\n");
            }
        }
        body.extend(trailers.bytes());
        body
    }

    fn read(chunks: Chunks, body: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Trailer>), ChunkError> {
        let (mut chunks, mut content) = (chunks, Vec::new());
        body.chunks(step).try_for_each(|bytes| chunks.push(bytes, &mut content))?;
        Ok((content, chunks.finish()?))
    }

    fn signatures() -> ChunkSignatures {
        in_chunks(
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "66824",
            None,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
    }

    #[test]
    fn chunks_are_checked_as_they_come() {
        let body = chunked(SIGNED, "\r\n");
        for step in [1, 7, 4096, usize::MAX] {
            let (content, trailers) = read(Chunks::new(Some(signatures())), &body, step).unwrap();
            assert!(
                content.len() == 66_560 && content.iter().all(|byte| *byte == b'a') && trailers.is_empty()
            );
        }
        let tampered = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut body = body.clone();
            change(&mut body);
            read(Chunks::new(Some(signatures())), &body, 999).unwrap_err()
        };
        assert_eq!(tampered(&|body| body[1000] = b'b'), ChunkError::Mismatch);
        assert_eq!(tampered(&|body| body.truncate(66_000)), ChunkError::Incomplete);
        assert_eq!(tampered(&|body| body.truncate(80)), ChunkError::Incomplete);
        assert_eq!(tampered(&|body| body[0] = b'-'), ChunkError::Malformed);
        assert_eq!(tampered(&|body| body.extend(b"0\r\n")), ChunkError::Malformed);
        let swapped = chunked([SIGNED[0], SIGNED[2], SIGNED[1]], "\r\n");
        let refused = read(Chunks::new(Some(signatures())), &swapped, 999).unwrap_err();
        assert_eq!(refused, ChunkError::Mismatch);
        let endless = vec![b'1'; 1 << 20];
        assert_eq!(read(Chunks::new(None), &endless, 999).unwrap_err(), ChunkError::Malformed);
    }

    #[test]
    fn headers_behind_the_chunks_are_signed_too() {
        let signed = [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ];
        let checksum = ("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned());
        let signatures = || {
            in_chunks(
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                "",
                Some("x-amz-checksum-crc32c"),
                "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            )
        };
        let trailers = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
                        d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
        let read_with = |trailers: &str| {
            read(Chunks::new(Some(signatures())), &chunked(signed, trailers), 999)
                .map(|(_, trailers)| trailers)
        };
        assert_eq!(read_with(trailers), Ok(vec![checksum]));
        assert_eq!(read_with(&trailers.replace("sOO8", "sOO9")), Err(ChunkError::Mismatch));
        let unsigned = trailers.lines().next().unwrap();
        assert_eq!(read_with(&format!("{unsigned}\r\n\r\n")), Err(ChunkError::Mismatch));
        let loose = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let (content, trailers) = read(Chunks::new(None), loose, 3).unwrap();
        assert_eq!(content, b"hello");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]);
    }
}
