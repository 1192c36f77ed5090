use stepwright::prelude::*;

fn flow(_: &mut Flow, file: Expr<ObjectRef>) -> Expr<bool> {
    file.rows.gt(0)
}

fn main() {}
