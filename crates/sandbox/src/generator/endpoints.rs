//! A project's endpoints, and how often each is used.

use crate::seed::SeedEndpoint;
use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{Direction, EndpointId, ProjectId};

use super::ids::uuid_v7;
use super::random::Random;

/// For the outbound URLs: one for each customer and path.
const CUSTOMERS: [&str; 12] = [
    "acme",
    "bluth",
    "cyberdyne",
    "dunder",
    "ewing",
    "globex",
    "hooli",
    "initech",
    "oscorp",
    "soylent",
    "tyrell",
    "wonka",
];
/// The second has characters that CSV must quote.
const PATHS: [&str; 2] = [
    "/webhooks",
    "/v2/events?topics=orders,refunds&format=\"json\"",
];
/// For the inbound URLs.
const SOURCES: [&str; 12] = [
    "payments",
    "orders",
    "shipping",
    "crm",
    "billing",
    "support",
    "forms",
    "calendar",
    "telemetry",
    "identity",
    "inventory",
    "reviews",
];

/// The first endpoint was registered on 2025-01-01.
const FIRST_MS: i64 = 1_735_689_600_000;

/// A project's endpoints. They depend only on the project, so a second seed uses the endpoints of the first.
pub(super) fn endpoints(project: &ProjectId) -> Vec<SeedEndpoint> {
    let mut random = Random::new(project, u64::MAX);
    let mut created_at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::milliseconds(FIRST_MS);
    let outbound = PATHS.iter().flat_map(|path| {
        CUSTOMERS
            .iter()
            .map(move |customer| format!("https://hooks.{customer}.example{path}"))
    });
    let inbound = SOURCES
        .iter()
        .map(|source| format!("https://in.example.com/{project}/{source}"));
    outbound
        .map(|url| (Direction::Outbound, url))
        .chain(inbound.map(|url| (Direction::Inbound, url)))
        .map(|(direction, url)| {
            created_at += TimeDelta::seconds(i64::from(random.small(50_000)) * 10);
            SeedEndpoint {
                id: EndpointId(uuid_v7(created_at, &mut random)),
                direction,
                url,
                created_at,
            }
        })
        .collect()
}

/// Selects endpoints of one direction with a Zipf distribution: the k-th has a share proportional to 1/k.
#[derive(Debug)]
pub(super) struct Popularity {
    ids: Vec<EndpointId>,
    /// For each endpoint, the cumulative share.
    upto: Vec<u64>,
}

impl Popularity {
    pub(super) fn new(endpoints: &[SeedEndpoint], direction: Direction) -> Self {
        let ids: Vec<_> = endpoints
            .iter()
            .filter(|endpoint| endpoint.direction == direction)
            .map(|endpoint| endpoint.id)
            .collect();
        let upto = (1..=ids.len() as u64)
            .scan(0, |sum, rank| {
                *sum += 1_000_000 / rank;
                Some(*sum)
            })
            .collect();
        Self { ids, upto }
    }

    pub(super) fn pick(&self, random: &mut Random) -> EndpointId {
        let all = self.upto.last().copied().unwrap_or_default();
        let point = random.below(all);
        self.ids[self.upto.partition_point(|upto| *upto <= point)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn each_project_has_36_distinct_endpoints() {
        let project = "proj_abc123".parse().unwrap();
        let of_one = endpoints(&project);
        assert_eq!(of_one, endpoints(&project));
        assert_eq!(of_one.len(), 36);
        let ids: HashSet<_> = of_one.iter().map(|endpoint| endpoint.id).collect();
        let of_other = endpoints(&"proj_abc124".parse().unwrap());
        assert!(of_other.iter().all(|endpoint| !ids.contains(&endpoint.id)));
    }

    #[test]
    fn messages_are_skewed_to_a_few_endpoints_and_every_endpoint_gets_some() {
        let project = "proj_abc123".parse().unwrap();
        let popularity = Popularity::new(&endpoints(&project), Direction::Outbound);
        let mut random = Random::new(&project, 1);
        let mut counts = HashMap::new();
        for _ in 0..10_000 {
            *counts.entry(popularity.pick(&mut random)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        let (most, least) = (counts.values().max(), counts.values().min());
        assert!(most > Some(&2_000) && least < Some(&200), "{counts:?}");
    }
}
