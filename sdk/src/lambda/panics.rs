//! Panics of steps as texts with their place.
//!
//! `catch_unwind` gives a panic's message but not where it happened; only the
//! panic hook sees that. The hook remembers panics of threads that are inside a
//! step and leaves all others to the hook before it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    static IN_STEP: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The future's output, or `message, at file:line` of the panic that ended it.
pub(super) async fn caught<'a, T>(mut future: Pin<Box<dyn Future<Output = T> + 'a>>) -> Result<T, String> {
    install_hook();
    std::future::poll_fn(move |context| {
        let outer = IN_STEP.replace(true);
        // Nothing of the future is looked at after a panic.
        let polled = panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        IN_STEP.set(outer);
        polled.map_or_else(
            |_| Poll::Ready(Err(LAST_PANIC.take().unwrap_or_else(|| String::from("unknown place")))),
            |poll| poll.map(Ok),
        )
    })
    .await
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_STEP.get() {
                LAST_PANIC.set(Some(describe(info)));
            } else {
                others(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(at) => format!("{message}, at {}:{}", at.file(), at.line()),
        None => message.to_owned(),
    }
}
