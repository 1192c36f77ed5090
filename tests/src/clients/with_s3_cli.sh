# AWS's command line on S3 against `stepwright dev`. Ends with what is left, as JSON.
set -euo pipefail
s3() { "$AWS" s3 "$@" >&2; }

s3 mb s3://drops
mkdir -p up/deep
head -c 20000000 /dev/urandom > up/large
printf 'a' > up/a
printf 'b' > 'up/deep/b c'
s3 cp up/a s3://drops/one
s3 cp - s3://drops/piped < up/a
s3 sync up s3://drops/tree
# What is the same is not sent again.
[ -z "$("$AWS" s3 sync up s3://drops/tree)" ]
s3 cp --recursive s3://drops/tree s3://drops/copied
s3 sync s3://drops/copied down
diff -r up down
rm up/a
s3 sync --delete up s3://drops/tree
s3 mv s3://drops/one s3://drops/moved
s3 rm --recursive s3://drops/copied
"$AWS" s3 ls --recursive s3://drops | awk '{ print $3, $4, $5 }' > listed
"$PYTHON" - <<'PYTHON'
import json, sys
json.dump([line.rstrip() for line in open("listed")], sys.stdout)
PYTHON
s3 rb --force s3://drops
