//! Generates messages like those of a busy system: most are delivered, some fail with various errors.
//!
//! Pure: the same project and [`Plan`] give the same rows and ids, on every machine and in every version.
//! [`seed`](crate::seed) writes them.

mod endpoints;
mod faults;
mod ids;
mod outcome;
mod random;

use crate::seed::{SeedEndpoint, SeedMessage};
use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{Direction, ProjectId, TimeRange};

use endpoints::Popularity;
use random::Random;

/// The rows to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The number of messages.
    pub messages: u64,
    /// Different seeds give different messages.
    pub seed: u64,
    /// The range of their creation times. One message is at each end.
    pub range: TimeRange,
}

/// The messages of a plan, ordered by time.
#[derive(Debug)]
pub struct Messages {
    plan: Plan,
    endpoints: Vec<SeedEndpoint>,
    outbound: Popularity,
    inbound: Popularity,
    random: Random,
    made: u64,
    latest: DateTime<Utc>,
}

impl Messages {
    /// The messages of a plan for a project.
    #[must_use]
    pub fn new(project: &ProjectId, plan: Plan) -> Self {
        let endpoints = endpoints::endpoints(project);
        Self {
            plan,
            outbound: Popularity::new(&endpoints, Direction::Outbound),
            inbound: Popularity::new(&endpoints, Direction::Inbound),
            endpoints,
            random: Random::new(project, plan.seed),
            made: 0,
            latest: plan.range.start(),
        }
    }

    /// The project's endpoints, the same for every plan.
    #[must_use]
    pub fn endpoints(&self) -> &[SeedEndpoint] {
        &self.endpoints
    }

    /// The next message's time: random within its own part of the range, so that times are ordered. Sometimes it equals the previous
    /// time, like in a batch.
    fn time(&mut self) -> DateTime<Utc> {
        let range = self.plan.range;
        let (part, parts) = (self.made, self.plan.messages);
        if part == 0 {
            return range.start();
        }
        if part + 1 == parts {
            return range.end();
        }
        if self.random.per_mille(10) {
            return self.latest;
        }
        let span = (range.end() - range.start()).num_microseconds();
        // A range is positive and within the years 1 to 9999, so its microseconds fit i64.
        let span = span.and_then(|span| u64::try_from(span).ok()).unwrap_or(1);
        // Never the default: no edge is beyond `span`.
        let edge = |part: u64| {
            let product = u128::from(span) * u128::from(part);
            u64::try_from(product / u128::from(parts)).unwrap_or_default()
        };
        let (from, to) = (edge(part), edge(part + 1));
        let offset = from + self.random.below((to - from).max(1));
        range.start() + TimeDelta::microseconds(offset.cast_signed())
    }
}

impl Iterator for Messages {
    type Item = SeedMessage;

    fn next(&mut self) -> Option<SeedMessage> {
        if self.made == self.plan.messages {
            return None;
        }
        let created_at = self.time();
        self.latest = created_at;
        self.made += 1;
        let random = &mut self.random;
        let (direction, popularity) = if random.per_mille(850) {
            (Direction::Outbound, &self.outbound)
        } else {
            (Direction::Inbound, &self.inbound)
        };
        let mut message = SeedMessage {
            id: ids::uuid_v7(created_at, random),
            direction,
            endpoint: popularity.pick(random),
            status: outcome::status(random),
            attempt_count: 0,
            created_at,
            delivered_at: None,
            next_attempt_at: None,
            response_status: None,
            response_latency_ms: None,
            total_delivery_ms: None,
            last_error: None,
        };
        outcome::fill(&mut message, random);
        Some(message)
    }
}

#[cfg(test)]
mod tests;
