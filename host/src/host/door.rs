//! What a door needs of the host behind it.

use std::sync::Arc;

use super::Host;
use crate::event::Events;
use crate::event::sink::Dialer;
use crate::time::Clock;

/// The host's clock, its record, and its own way out.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dialer: Dialer,
}

impl Host {
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            events: Arc::clone(&self.events),
            clock: Arc::clone(&self.clock),
            dialer: Dialer::new(self.gateway.network(), Arc::clone(&self.gateway)),
        }
    }
}
