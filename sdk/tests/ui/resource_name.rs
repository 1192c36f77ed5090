stepwright::bucket!(pub Drops = "Incoming Files");

fn main() {}
