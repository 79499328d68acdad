//! Licences of all dependencies, and crates that are there in more than one version.

use std::collections::{BTreeMap, BTreeSet};

use spdx::{Expression, ParseMode};

use crate::graph::{Graph, Package, Place};

/// The licences allowed, one a line.
const ALLOWED: &str = include_str!("../licences.txt");

/// Says which packages of `graph` have a licence that is not allowed.
pub(crate) fn faults(graph: &Graph) -> Vec<String> {
    let allowed: BTreeSet<&str> = crate::sources::policy_lines(ALLOWED).collect();
    graph
        .packages
        .values()
        .filter_map(|package| fault(package, &allowed))
        .collect()
}

fn fault(package: &Package, allowed: &BTreeSet<&str>) -> Option<String> {
    let Package { name, version, .. } = package;
    let Some(licence) = &package.licence else {
        return Some(format!("{name} {version} states no licence"));
    };
    // `MIT/Apache-2.0` is how old packages write `OR`.
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(err) => {
            return Some(format!(
                "{name} {version}: licence {licence:?}: {}",
                err.reason
            ));
        }
    };
    let met = expression.evaluate(|it| allowed.contains(it.to_string().as_str()));
    (!met).then(|| format!("{name} {version}: licence {licence} is not in xtask/licences.txt"))
}

/// Says which crates of `graph` are built in several versions that do not replace each other.
pub(crate) fn duplicates(graph: &Graph) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for package in graph
        .packages
        .values()
        .filter(|it| it.place == Place::Outside)
    {
        let series = versions.entry(&package.name).or_default();
        series.insert(compatible_series(&package.version), &package.version);
    }
    versions
        .into_iter()
        .filter(|(_, series)| series.len() > 1)
        .map(|(name, series)| {
            format!(
                "{name}: {}",
                series.into_values().collect::<Vec<_>>().join(", ")
            )
        })
        .collect()
}

/// The part of a version that must agree for one package to replace another: `1`, or `0.4`.
fn compatible_series(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("0"), Some("0"), Some(patch)) => format!("0.0.{patch}"),
        (Some("0"), Some(minor), _) => format!("0.{minor}"),
        (major, ..) => major.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{duplicates, faults};
    use crate::graph::{Graph, Package};

    fn graph(packages: &[(&str, &str, Option<&str>)]) -> Graph {
        let mut graph = Graph::default();
        for (name, version, licence) in packages {
            let package = Package {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                licence: licence.map(str::to_owned),
                ..Package::default()
            };
            graph.packages.insert(format!("{name}@{version}"), package);
        }
        graph
    }

    #[test]
    fn judges_expressions() {
        for (licence, good) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0-only", false),
            ("MIT AND GPL-3.0-only", false),
            ("MIT WITH LLVM-exception", false),
            ("do as you like", false),
        ] {
            let found = faults(&graph(&[("a", "1.0.0", Some(licence))]));
            assert_eq!(found.is_empty(), good, "{licence}: {found:?}");
        }
    }

    #[test]
    fn reports_a_package_without_a_licence() {
        assert_eq!(
            faults(&graph(&[("a", "1.0.0", None)])),
            ["a 1.0.0 states no licence"]
        );
    }

    #[test]
    fn counts_only_versions_that_do_not_replace_each_other() {
        let graph = graph(&[
            ("a", "1.0.0", None),
            ("a", "2.1.0", None),
            ("b", "1.0.0", None),
            ("b", "1.2.0", None),
            ("c", "0.3.1", None),
            ("c", "0.4.0", None),
        ]);
        assert_eq!(duplicates(&graph), ["a: 1.0.0, 2.1.0", "c: 0.3.1, 0.4.0"]);
    }
}
