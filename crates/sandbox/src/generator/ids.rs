//! Deterministic ids, ordered by time.

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

use super::random::Random;

/// A UUIDv7 of a time. It cannot represent times before 1970; they become 1970.
pub(super) fn uuid_v7(time: DateTime<Utc>, random: &mut Random) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&random.next().to_be_bytes());
    bytes[8..].copy_from_slice(&random.next().to_be_bytes()[..2]);
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_time() {
        let mut random = Random::new(&"proj_a".parse().unwrap(), 1);
        let time = exports_domain::time::parse("2025-12-01T00:00:00.123456Z").unwrap();
        let id = uuid_v7(time, &mut random);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_764_547_200, 123_000_000));
        assert_ne!(id, uuid_v7(time, &mut random));
    }

    #[test]
    fn a_time_before_1970_gives_a_version_7_uuid() {
        let mut random = Random::new(&"proj_a".parse().unwrap(), 1);
        let time = exports_domain::time::parse("0001-01-01T00:00:00Z").unwrap();
        assert_eq!(uuid_v7(time, &mut random).get_version_num(), 7);
    }
}
