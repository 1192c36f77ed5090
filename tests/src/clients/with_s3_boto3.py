"""boto3's S3 against `stepwright dev`, as everybody writes it. Prints what it saw as JSON."""

import base64
import io
import json
import os
import sys
import tempfile
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
seen = {}


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
    return "no error"


s3.create_bucket(Bucket="drops")
s3.head_bucket(Bucket="drops")
seen["buckets"] = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
seen["location"] = s3.get_bucket_location(Bucket="drops")["LocationConstraint"]
seen["versioning"] = s3.get_bucket_versioning(Bucket="drops").get("Status")



def crc(data, polynomial, width):
    """A reflected CRC, in base64: boto3 computes these two only with a package that need not be there."""
    ones = (1 << width) - 1
    state = ones
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (polynomial if state & 1 else 0)
    return base64.b64encode((state ^ ones).to_bytes(width // 8, "big")).decode()


# Objects with every checksum that clients compute.
sums = {}
for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
    given = {
        "CRC32C": {"ChecksumCRC32C": crc(b"hello", 0x82F63B78, 32)},
        "CRC64NVME": {"ChecksumCRC64NVME": crc(b"hello", 0x9A6C9329AC4BC9B5, 64)},
    }.get(algorithm, {"ChecksumAlgorithm": algorithm})
    s3.put_object(Bucket="drops", Key=f"sums/{algorithm}", Body=b"hello", **given)
    got = s3.get_object(Bucket="drops", Key=f"sums/{algorithm}", ChecksumMode="ENABLED")
    sums[algorithm] = [got["Body"].read().decode(), f"Checksum{algorithm}" in got]
seen["sums"] = sums
seen["bad sum"] = code(s3.put_object, Bucket="drops", Key="x", Body=b"hello", ChecksumCRC32="AAAAAA==")

put = s3.put_object(
    Bucket="drops",
    Key="2026/ü b+c.txt",
    Body=b"0123456789",
    ContentType="text/plain",
    CacheControl="no-cache",
    Metadata={"who": "me"},
)
head = s3.head_object(Bucket="drops", Key="2026/ü b+c.txt")
seen["head"] = [head["ContentLength"], head["ContentType"], head["CacheControl"], head["Metadata"], head["ETag"] == put["ETag"]]
seen["range"] = s3.get_object(Bucket="drops", Key="2026/ü b+c.txt", Range="bytes=2-4")["Body"].read().decode()
seen["errors"] = [
    code(s3.get_object, Bucket="drops", Key="none"),
    code(s3.get_object, Bucket="none", Key="none"),
    code(s3.head_object, Bucket="drops", Key="none"),
    code(s3.get_object, Bucket="drops", Key="2026/ü b+c.txt", Range="bytes=10-"),
    code(s3.put_object, Bucket="drops", Key="2026/ü b+c.txt", Body=b"", IfNoneMatch="*"),
    code(s3.put_object, Bucket="drops", Key="2026/ü b+c.txt", Body=b"", IfMatch='"0"'),
    code(s3.put_object, Bucket="drops", Key="x" * 1025, Body=b""),
    code(s3.delete_bucket, Bucket="drops"),
    code(s3.upload_part, Bucket="drops", Key="x", UploadId="none", PartNumber=1, Body=b""),
]

# Uploads in parts, and down again.
size = 21 << 20
content = os.urandom(size)
config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
with tempfile.NamedTemporaryFile() as file:
    file.write(content)
    file.flush()
    s3.upload_file(file.name, "drops", "large.bin", Config=config, ExtraArgs={"Metadata": {"parts": "yes"}})
back = io.BytesIO()
s3.download_fileobj("drops", "large.bin", back, Config=config)
large = s3.head_object(Bucket="drops", Key="large.bin")
seen["large"] = [back.getvalue() == content, large["ETag"].endswith('-3"'), large["Metadata"]]
s3.copy({"Bucket": "drops", "Key": "large.bin"}, "drops", "copies/large.bin", Config=config)
back = io.BytesIO()
s3.download_fileobj("drops", "copies/large.bin", back)
seen["large copy"] = back.getvalue() == content
begun = s3.create_multipart_upload(Bucket="drops", Key="given-up")
s3.upload_part(Bucket="drops", Key="given-up", UploadId=begun["UploadId"], PartNumber=1, Body=b"x")
seen["parts"] = len(s3.list_parts(Bucket="drops", Key="given-up", UploadId=begun["UploadId"])["Parts"])
seen["uploads"] = len(s3.list_multipart_uploads(Bucket="drops")["Uploads"])
s3.abort_multipart_upload(Bucket="drops", Key="given-up", UploadId=begun["UploadId"])
seen["uploads after"] = s3.list_multipart_uploads(Bucket="drops").get("Uploads")

s3.copy_object(
    Bucket="drops",
    Key="copies/small",
    CopySource={"Bucket": "drops", "Key": "2026/ü b+c.txt"},
)
copied = s3.get_object(Bucket="drops", Key="copies/small")
seen["copy"] = [copied["Body"].read().decode(), copied["ContentType"], copied["Metadata"]]

# Lists.
for number in range(7):
    s3.put_object(Bucket="drops", Key=f"list/{number % 3}/{number}", Body=b"")
for key in ["list", "list/", "list//", "list/a\nb", "list/../x"]:
    s3.put_object(Bucket="drops", Key=key, Body=b"")
pages = s3.get_paginator("list_objects_v2").paginate(
    Bucket="drops", Prefix="list", PaginationConfig={"PageSize": 2}
)
seen["keys"] = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
pages = s3.get_paginator("list_objects").paginate(
    Bucket="drops", Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2}
)
seen["prefixes"] = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]

# A URL that anybody may use for a while.
presigner = boto3.client("s3", config=Config(signature_version="s3v4"))
url = presigner.generate_presigned_url("get_object", Params={"Bucket": "drops", "Key": "2026/ü b+c.txt"})
seen["presigned"] = urllib.request.urlopen(url).read().decode()
url = presigner.generate_presigned_url("put_object", Params={"Bucket": "drops", "Key": "by url"})
urllib.request.urlopen(urllib.request.Request(url, data=b"put", method="PUT"))
seen["presigned put"] = s3.get_object(Bucket="drops", Key="by url")["Body"].read().decode()

deleted = s3.delete_objects(
    Bucket="drops", Delete={"Objects": [{"Key": "list"}, {"Key": "list/../x"}, {"Key": "none"}]}
)
seen["deleted"] = len(deleted["Deleted"])
bucket = boto3.resource("s3").Bucket("drops")
bucket.objects.delete()
seen["left"] = s3.list_objects_v2(Bucket="drops")["KeyCount"]
s3.delete_bucket(Bucket="drops")
seen["gone"] = code(s3.list_objects_v2, Bucket="drops")

json.dump(seen, sys.stdout)
