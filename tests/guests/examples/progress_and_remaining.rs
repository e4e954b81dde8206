//! Uses what the host tells about the call in progress.

use skillhost_sdk::prelude::*;
use skillhost_sdk::{call, is_cancelled, progress, remaining};

/// What the host told.
#[derive(Serialize, Schema)]
struct Told {
    id: String,
    remaining_ms: u64,
    cancelled: bool,
}

/// Reports steps, some of them out of order, and tells what it was told.
#[tool]
fn work(steps: Vec<f64>) -> Result<Told> {
    for step in steps {
        progress(step, Some(10.0), Some("line one\nline two"));
    }
    Ok(Told {
        id: call::id(),
        remaining_ms: remaining().as_millis().try_into()?,
        cancelled: is_cancelled(),
    })
}

/// Reports one step, and then computes until it is told to stop.
#[tool]
fn until_cancelled() -> Result<String> {
    progress(1.0, None, None);
    while !is_cancelled() {
        std::hint::spin_loop();
    }
    Err(Error::cancelled())
}

/// Reports one step, and then computes without asking.
#[tool]
fn until_stopped() -> Result<String> {
    progress(1.0, None, None);
    loop {
        std::hint::spin_loop();
    }
}

/// Reports one step, and then waits in the host.
#[tool]
fn until_awake() -> Result<String> {
    progress(1.0, None, None);
    std::thread::sleep(std::time::Duration::from_secs(86_400));
    Ok("awake".to_owned())
}

skillhost_sdk::export!(work, until_cancelled, until_stopped, until_awake);
