"""Checks CloudFormation templates with AWS's own rules: validate_template.py TEMPLATE...

Prints every finding of severity WARN or above and exits with 1 if there is one.
Lower severities are advice (tags on everything, other regions) and are counted only.
"""

import sys

from cloudformation_validate import CompositeEngine

ADVICE = {"INFO", "DEBUG", "INFORMATIONAL"}


def main(paths: list[str]) -> int:
    engine = CompositeEngine()
    found = 0
    for path in paths:
        diagnostics = list(engine.validate_template(path).diagnostics)
        grave = [d for d in diagnostics if d.severity.name.upper() not in ADVICE]
        for d in grave:
            print(f"{path}: {d.severity.name} {d.rule_id}: {d.message} [{d.entity}]")
        print(f"{path}: {len(grave)} findings, {len(diagnostics) - len(grave)} pieces of advice", file=sys.stderr)
        found += len(grave)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
