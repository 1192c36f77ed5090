//! Item batchers: several items for one child execution.
//!
//! A batch is `{"BatchInput": …, "Items": [ … ]}`, as the developer guide
//! (page `ItemBatcher`) shows it. Its text is put together while items come in, so
//! a batch is never larger than what a child execution may get.

use asl::limits::PAYLOAD_BYTES_MAX;

use crate::machine::Payload;

/// The rules of one item batcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batcher {
    items_max: u64,
    bytes_max: usize,
    batch_input: Option<Payload>,
}

/// The input of one child execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The input.
    pub input: Payload,
    /// How many items are in it.
    pub items: u64,
}

/// What became of an item that was given to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the batch.
    Added,
    /// The batch is full: finish it and give the item to the next one.
    Full,
    /// It is too large for any batch, by these bytes of the whole batch.
    TooLarge(usize),
}

/// A batch that is being filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    text: String,
    items: u64,
}

impl Batcher {
    /// `items_max`, `bytes_max`: 0 = as many as fit into the input of an execution.
    pub fn new(items_max: u64, bytes_max: u64, batch_input: Option<Payload>) -> Self {
        let limit = |most: u64| if most == 0 { u64::MAX } else { most };
        let bytes_max = usize::try_from(limit(bytes_max)).unwrap_or(usize::MAX).min(PAYLOAD_BYTES_MAX);
        Self { items_max: limit(items_max), bytes_max, batch_input }
    }

    /// A batch without items.
    pub fn begin(&self) -> Filling {
        let text = match &self.batch_input {
            Some(input) => format!(r#"{{"BatchInput":{},"Items":["#, input.text()),
            None => r#"{"Items":["#.to_owned(),
        };
        Filling { text, items: 0 }
    }

    /// Adds an item to a batch.
    pub fn push(&self, batch: &mut Filling, item: &Payload) -> Pushed {
        let comma = usize::from(batch.items > 0);
        let bytes = batch.text.len() + comma + item.len() + Filling::END.len();
        if batch.items >= self.items_max || bytes > self.bytes_max {
            return if batch.items == 0 { Pushed::TooLarge(bytes) } else { Pushed::Full };
        }
        if batch.items > 0 {
            batch.text.push(',');
        }
        batch.text.push_str(item.text());
        batch.items += 1;
        Pushed::Added
    }

    /// Whether a batch can take no more items, whatever their size.
    pub fn is_full(&self, batch: &Filling) -> bool {
        batch.items >= self.items_max
    }

    /// How large a batch may be, in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl Filling {
    const END: &'static str = "]}";

    /// How many items are in it.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The batch as it is.
    pub fn finish(mut self) -> Batch {
        self.text.push_str(Self::END);
        Batch { input: Payload::from_journal(&self.text), items: self.items }
    }
}
