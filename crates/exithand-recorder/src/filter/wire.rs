//! How the parts of a filter are written in JSON, where their types don't say.

#![expect(clippy::ref_option, reason = "serde hands fields over by reference")]

/// Nanoseconds since 1970.
pub(super) mod time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::WallTime;

    pub(in crate::filter) fn serialize<S: Serializer>(
        time: &Option<WallTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.unix_ns).serialize(serializer)
    }

    pub(in crate::filter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<WallTime>, D::Error> {
        Option::deserialize(deserializer).map(|ns| ns.map(|unix_ns| WallTime { unix_ns }))
    }
}

/// Nanoseconds.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::filter) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration
            .map(|it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX))
            .serialize(serializer)
    }

    pub(in crate::filter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::deserialize(deserializer).map(|ns| ns.map(Duration::from_nanos))
    }
}

/// The token's text.
pub(super) mod token {
    use exithand::Token;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::filter) fn serialize<S: Serializer>(
        token: &Option<Token>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        token.map(|token| token.to_string()).serialize(serializer)
    }

    pub(in crate::filter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Token>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

/// Numbers of signals.
pub(super) mod signals {
    use exithand::Signal;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::filter) fn serialize<S: Serializer>(
        signals: &[Signal],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let numbers: Vec<i32> = signals.iter().map(|signal| signal.number()).collect();
        numbers.serialize(serializer)
    }

    pub(in crate::filter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Signal>, D::Error> {
        let numbers: Vec<i32> = Vec::deserialize(deserializer)?;
        let signal = |number| {
            Signal::from_number(number)
                .ok_or_else(|| D::Error::custom(format!("{number} is no signal")))
        };
        numbers.into_iter().map(signal).collect()
    }
}
