//! Where a host's events go besides the audit log, and its numbers.

use std::sync::Arc;
use std::time::Duration;

use super::Host;
use crate::admission::{Admission, Load};
use crate::compile::Compiler;
use crate::error::Result;
use crate::event::Events;
use crate::event::sink::{Dialer, Outlets, SinkSettings, Tally};
use crate::metrics::{Family, Metrics, Values};
use crate::sandbox::network::Network;
use crate::sandbox::network::gateway::Gateway;
use crate::secret::Secrets;
use crate::time::Clock;

impl Host {
    /// All numbers of this host, in the text format of Prometheus (version
    /// 0.0.4). `docs/OPERATING.md` says what each means.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.events.metrics().text()
    }

    /// Where everything is recorded.
    pub(crate) const fn events(&self) -> &Arc<Events> {
        &self.events
    }

    pub(crate) fn counted(&self) -> Arc<Metrics> {
        Arc::clone(self.events.metrics())
    }

    /// Has every sink send what waits, for as long as that at most, and records
    /// what they lost. Blocks meanwhile; sinks take nothing afterwards.
    pub fn close(&self, within: Duration) {
        self.events.close(within);
    }
}

/// Starts the sinks of a host.
pub(super) fn with_sinks(
    events: Events,
    sinks: Vec<SinkSettings>,
    secrets: &Secrets,
    (network, gateway): (Arc<dyn Network>, Arc<Gateway>),
    clock: &Arc<dyn Clock>,
) -> Result<Events> {
    if sinks.is_empty() {
        return Ok(events);
    }
    let dialer = Dialer::new(network, gateway);
    let metrics = Arc::clone(events.metrics());
    let outlets = Outlets::start(sinks, secrets, &dialer, &metrics, clock)?;
    let tallies = outlets.tallies();
    metrics.also(move || of_sinks(&tallies()));
    Ok(events.and(Box::new(outlets)))
}

/// Has the numbers told that the gate and the compiler keep.
pub(super) fn observe(metrics: &Metrics, admission: &Admission, compiler: &Compiler) {
    let load = admission.load();
    metrics.also(move || of_calls(load()));
    let counts = compiler.counts();
    metrics.also(move || {
        let (compiled, cached) = counts();
        vec![
            one(
                Family::counter,
                "skillhost_compilations_total",
                "Components that were begun to be compiled.",
                compiled,
            ),
            one(
                Family::counter,
                "skillhost_cache_hits_total",
                "Components whose code was in the cache.",
                cached,
            ),
        ]
    });
}

fn of_calls(load: Load) -> Vec<Family> {
    vec![
        one(
            Family::gauge,
            "skillhost_calls_running",
            "Calls that run.",
            load.running,
        ),
        one(
            Family::gauge,
            "skillhost_calls_waiting",
            "Calls that wait for others to end.",
            load.waiting,
        ),
        one(
            Family::gauge,
            "skillhost_memory_reserved_bytes",
            "Memory that is set aside for calls that run.",
            load.memory,
        ),
    ]
}

fn of_sinks(tallies: &[Tally]) -> Vec<Family> {
    let by_sink = |number: fn(&Tally) -> u64| -> Values {
        let labelled = |tally| (vec![("sink", Tally::name(tally))], number(tally));
        tallies.iter().map(labelled).collect()
    };
    vec![
        Family::counter(
            "skillhost_sink_delivered_total",
            "Events that a sink delivered.",
            by_sink(|it| it.delivered),
        ),
        Family::counter(
            "skillhost_sink_dropped_total",
            "Events that a sink lost.",
            by_sink(|it| it.dropped),
        ),
        Family::gauge(
            "skillhost_sink_queued",
            "Events that wait to be delivered.",
            by_sink(|it| it.queued),
        ),
    ]
}

/// A number without labels.
fn one(
    kind: fn(&'static str, &'static str, Values) -> Family,
    name: &'static str,
    help: &'static str,
    value: u64,
) -> Family {
    kind(name, help, vec![(Vec::new(), value)])
}
