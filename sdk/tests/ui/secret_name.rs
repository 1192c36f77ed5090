stepwright::secret!(pub CoreViewArn = "coreview-arn");

fn main() {}
