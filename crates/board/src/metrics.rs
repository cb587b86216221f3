//! What a scraper of `/metrics` reads. No label holds anything of a visitor.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the time that answers take, in seconds.
const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.75, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    /// The route's pattern, not the path: ids are nobody's business and have no end.
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: String,
}

/// The figures.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answer, Counter>,
    refused: Family<Refused, Counter>,
    seconds: Histogram,
    /// Posts that were stored.
    pub(crate) stored: Counter,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections that were closed to make place for others.
    pub(crate) evicted: Counter,
    /// Viewers of events.
    pub(crate) viewers: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("jeoul_board");
        let answers = Family::<Answer, Counter>::default();
        let refused = Family::<Refused, Counter>::default();
        let seconds = Histogram::new(SECONDS);
        let (stored, evicted) = (Counter::default(), Counter::default());
        let (connections, viewers) = (Gauge::default(), Gauge::default());
        registry.register(
            "answers",
            "Answers by route, method and status",
            answers.clone(),
        );
        registry.register(
            "problems",
            "Answers that name a problem, by its code",
            refused.clone(),
        );
        registry.register(
            "answer_seconds",
            "Time from a request's head to its answer",
            seconds.clone(),
        );
        registry.register("stored", "Submissions stored", stored.clone());
        registry.register("connections", "Open connections", connections.clone());
        registry.register(
            "evicted",
            "Connections closed to make place",
            evicted.clone(),
        );
        registry.register("viewers", "Viewers of events", viewers.clone());
        Self {
            registry,
            answers,
            refused,
            seconds,
            stored,
            connections,
            evicted,
            viewers,
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(
        &self,
        route: &str,
        method: &str,
        status: u16,
        code: Option<&str>,
        seconds: f64,
    ) {
        let answer = Answer {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.answers.get_or_create(&answer).inc();
        if let Some(code) = code {
            let refused = Refused {
                code: code.to_owned(),
            };
            self.refused.get_or_create(&refused).inc();
        }
        self.seconds.observe(seconds);
    }

    /// All of it, in the Prometheus text format.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
