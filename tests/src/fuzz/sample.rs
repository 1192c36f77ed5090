//! What expressions and paths are evaluated on.

use std::cell::RefCell;
use std::sync::LazyLock;

use asl::{Host, Scope, StateBudget};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::Choices;

/// A host whose time stands still, and whose randomness follows from a seed.
pub(super) struct Seeded {
    random: RefCell<Choices>,
}

impl Seeded {
    /// What is drawn for a text, from the beginning.
    pub(super) fn of(text: &str) -> Self {
        Self { random: RefCell::new(Choices::of(0, text, 0)) }
    }

    /// A number of 48 bits.
    fn draw(&self) -> usize {
        self.random.borrow_mut().below(1 << 48)
    }
}

impl Host for Seeded {
    fn now_millis(&self) -> i64 {
        1_767_225_600_000
    }

    fn random(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "48 bits")]
        let drawn = self.draw() as f64;
        drawn / 2_f64.powi(48)
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.draw())
    }
}

static STATES: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "input": {
            "id": "order-7", "empty": "", "n": 7, "neg": -2.5, "big": 9_007_199_254_740_993_i64, "zero": 0,
            "yes": true, "no": false, "nothing": null, "none": [], "blank": {}, "one": [1],
            "deep": [[1, [2, [3]]], {"a": {"b": {"c": [{"d": 1}, {"d": 2}]}}}],
            "mixed": [1, "1", true, null, {"k": 1}, [2], -0.5],
            "tags": ["red", "green", "red"], "text": "Grüße, Welt! 😀 <a&b> \"q\" \\ \n",
            "when": "2025-06-30T23:59:59.5Z", "millis": 1_751_327_999_500_i64,
            "lines": [
                {"sku": "A-1", "price": 10.5, "qty": 2, "of": {"kind": "x"}},
                {"sku": "B-2", "price": 0, "qty": 10, "of": {"kind": "y"}},
                {"sku": "A-1", "price": 99.99, "qty": 1},
            ],
            "tree": {"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4}]}]},
            "odd keys": {"a b": 1, "1": 2, "$": 3, "": 4, "ü": 5},
        },
        "context": {"Execution": {"Id": "arn:aws:states:eu-west-1:123456789012:execution:a:b"}, "State": {"Name": "S"}},
        "result": {"Payload": [1, 2]},
    })
});

static VARIABLES: LazyLock<IndexMap<String, Value>> = LazyLock::new(|| {
    IndexMap::from([
        ("limit".to_owned(), json!(3)),
        ("list".to_owned(), json!([3, 1, 2])),
        ("name".to_owned(), json!("fuzz")),
        ("record".to_owned(), json!({"a": 1, "b": [true]})),
    ])
});

/// The scope of small expressions.
pub(super) fn scope<'s>(budget: &'s StateBudget, host: &'s Seeded) -> Scope<'s> {
    scope_on(&STATES, budget, host)
}

/// The scope of a document of the input's own.
pub(super) fn scope_on<'s>(states: &'s Value, budget: &'s StateBudget, host: &'s Seeded) -> Scope<'s> {
    Scope { states, variables: &VARIABLES, host, budget }
}

/// The input of the state.
pub(super) fn input() -> &'static Value {
    &STATES["input"]
}
