//! A store of one's own, without the host's record and limits.

use skillhost::sandbox::State;

pub fn reach(_: State) {}
