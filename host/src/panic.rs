//! What is said when the host panics: where, and in which call. Never why: the
//! words of a panic hold what somebody was working on.

use std::io::Write;
use std::panic::{Location, PanicHookInfo, set_hook};

use crate::invocation::InvocationId;

tokio::task_local! {
    /// The call that is served.
    static CALL: InvocationId;
}

/// Serves a call; a panic meanwhile names it.
pub(crate) async fn during<T>(call: InvocationId, work: impl Future<Output = T>) -> T {
    CALL.scope(call, work).await
}

/// From now on panics say no more, and show no backtrace whatever the
/// environment asks for.
pub(crate) fn install() {
    set_hook(Box::new(|panic| {
        // Nobody is there to read what cannot be written.
        let _ = std::io::stderr().write_all(told(panic).as_bytes());
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, place);
    let call = CALL.try_with(|call| format!(" while it served call {call}"));
    format!(
        "error: the host failed{place}{}; please report it\n",
        call.unwrap_or_default()
    )
}

/// File and line; of files outside this project without the folders of the
/// machine that built the host.
fn place(location: &Location<'_>) -> String {
    let file = location.file();
    let shown = match file.strip_prefix('/') {
        None => file,
        Some(_) => {
            let starts = file.rmatch_indices('/').nth(3);
            starts.map_or("a library", |(at, _)| {
                file.get(at + 1..).unwrap_or_default()
            })
        }
    };
    format!(" at {shown}:{}", location.line())
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, take_hook};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn x03_a_panic_says_where_and_in_which_call_and_never_why() {
        let heard = Arc::new(Mutex::new(String::new()));
        let ear = Arc::clone(&heard);
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            ear.lock().unwrap().push_str(&told(panic));
            before(panic);
        }));
        let call = InvocationId::random().unwrap();
        during(call, async {
            let _ = catch_unwind(|| panic!("about SKH_CANARY_{}", 7));
        })
        .await;
        let heard = heard.lock().unwrap().clone();
        let expected = format!("while it served call {call}; please report it\n");
        assert!(heard.contains(&expected), "{heard}");
        assert!(heard.contains("host/src/panic.rs:"), "{heard}");
        assert!(!heard.contains("CANARY"), "{heard}");
    }
}
