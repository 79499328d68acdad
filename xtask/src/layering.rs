//! Which crate may depend on which. The reasons are in ARCHITECTURE.md.

use crate::graph::{Graph, Kind, Package, Place};

const LIBRARY: &str = "exithand";
const COMMAND: &str = "exithand-cli";
const TESTKIT: &str = "exithand-testkit";
/// What is never given to users: programs that test, and that measure.
const TESTS: [&str; 2] = ["exithand-benches", "exithand-conformance"];

/// What the library is made of.
const LIBRARY_NEEDS: [&str; 2] = ["rustix", "thiserror"];
/// What a feature of the library may add.
const LIBRARY_MAY_TAKE: [&str; 2] = ["async-io", "tokio"];
/// What must not get into the library, at any depth and with any feature.
const LIBRARY_NEVER: [&str; 6] = ["anyhow", "clap", "log", "serde", "serde_json", "tracing"];
/// The services, which know nothing of each other.
const SERVICES: [&str; 3] = ["exithand-fs", "exithand-lowmem", "exithand-recorder"];

/// Says what is wrong with the layering of `graph`: one sentence per fault, none when it is sound.
pub(crate) fn faults(graph: &Graph) -> Vec<String> {
    let mut faults = library_faults(graph);
    for package in graph
        .packages
        .values()
        .filter(|it| it.place == Place::Workspace)
    {
        faults.extend(member_faults(package));
        faults.extend(service_faults(graph, package));
    }
    faults
}

fn library_faults(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for library in graph.members().filter(|it| it.name == LIBRARY) {
        for ask in &library.asks {
            let allowed: &[&str] = match ask.kind {
                Kind::Normal => &LIBRARY_NEEDS,
                Kind::Optional => &LIBRARY_MAY_TAKE,
                Kind::Build => &[],
                Kind::Dev => continue,
            };
            if !allowed.contains(&ask.name.as_str()) {
                faults.push(format!(
                    "{LIBRARY} must not depend on {} ({:?})",
                    ask.name, ask.kind
                ));
            }
        }
        if !library.default_features.is_empty() {
            let features = library.default_features.join(", ");
            faults.push(format!(
                "{LIBRARY} must have no default features, not {features}"
            ));
        }
    }
    let inside = graph.built_into(LIBRARY);
    for never in LIBRARY_NEVER.iter().filter(|it| inside.contains(**it)) {
        faults.push(format!(
            "{LIBRARY} must not contain {never}: `cargo tree -p {LIBRARY} --all-features -i \
             {never}` shows who brings it"
        ));
    }
    faults
}

fn member_faults(package: &Package) -> Vec<String> {
    let mut faults = Vec::new();
    for ask in &package.asks {
        if ask.name == COMMAND {
            faults.push(format!(
                "{} must not depend on {COMMAND}: nothing may",
                package.name
            ));
        }
        let is_test = ask.kind == Kind::Dev || TESTS.contains(&package.name.as_str());
        if ask.name == TESTKIT && !is_test {
            let name = &package.name;
            faults.push(format!(
                "{name} may depend on {TESTKIT} only under dev-dependencies"
            ));
        }
    }
    faults
}

fn service_faults(graph: &Graph, package: &Package) -> Vec<String> {
    if !SERVICES.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let inside = graph.built_into(&package.name);
    let asks = |name: &str| package.asks.iter().any(|it| it.name == name);
    SERVICES
        .iter()
        .filter(|other| **other != package.name && (inside.contains(**other) || asks(other)))
        .map(|other| format!("{} must not depend on {other}", package.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::faults;
    use crate::graph::{Ask, Graph, Kind, Package, Place};

    /// A graph of workspace members, each with what its manifest asks for; identifiers are names.
    fn graph(members: &[(&str, &[(&str, Kind)])]) -> Graph {
        let mut graph = Graph::default();
        for (name, asks) in members {
            let package = graph.packages.entry((*name).to_owned()).or_default();
            package.name = (*name).to_owned();
            package.place = Place::Workspace;
            for (ask, kind) in *asks {
                package.asks.push(Ask {
                    name: (*ask).to_owned(),
                    kind: *kind,
                });
                if matches!(kind, Kind::Normal | Kind::Optional) {
                    package.links.push((*ask).to_owned());
                }
            }
        }
        graph
    }

    /// Adds a package from a registry that contains `links`.
    fn outside(graph: &mut Graph, name: &str, links: &[&str]) {
        let links = links.iter().map(|it| (*it).to_owned()).collect();
        let package = Package {
            name: name.to_owned(),
            links,
            ..Package::default()
        };
        graph.packages.insert(name.to_owned(), package);
    }

    #[test]
    fn accepts_the_house_as_designed() {
        use Kind::{Dev, Normal, Optional};
        let mut graph = graph(&[
            (
                "exithand",
                &[
                    ("rustix", Normal),
                    ("thiserror", Normal),
                    ("tokio", Optional),
                    ("async-io", Optional),
                    ("exithand-testkit", Dev),
                    ("proptest", Dev),
                ],
            ),
            (
                "exithand-cli",
                &[
                    ("exithand", Normal),
                    ("clap", Normal),
                    ("exithand-fs", Normal),
                ],
            ),
            (
                "exithand-fs",
                &[("exithand", Normal), ("exithand-testkit", Dev)],
            ),
            ("exithand-recorder", &[("exithand", Normal)]),
            ("exithand-testkit", &[("rustix", Normal)]),
            (
                "exithand-conformance",
                &[("exithand-testkit", Normal), ("exithand-fs", Dev)],
            ),
            ("exithand-benches", &[("exithand-testkit", Normal)]),
        ]);
        outside(&mut graph, "tokio", &["mio"]);
        outside(&mut graph, "mio", &[]);
        assert_eq!(faults(&graph), Vec::<String>::new());
    }

    #[test]
    fn reports_every_bad_edge() {
        use Kind::{Build, Dev, Normal, Optional};
        let cases: [(&str, &str, Kind, &str); 9] = [
            (
                "exithand",
                "libc",
                Normal,
                "exithand must not depend on libc",
            ),
            (
                "exithand",
                "rustix",
                Optional,
                "exithand must not depend on rustix",
            ),
            (
                "exithand",
                "tokio",
                Normal,
                "exithand must not depend on tokio",
            ),
            ("exithand", "cc", Build, "exithand must not depend on cc"),
            (
                "exithand-fs",
                "exithand-cli",
                Dev,
                "exithand-fs must not depend on exithand-cli",
            ),
            (
                "exithand-fs",
                "exithand-recorder",
                Normal,
                "must not depend on exithand-recorder",
            ),
            (
                "exithand-lowmem",
                "exithand-fs",
                Dev,
                "must not depend on exithand-fs",
            ),
            (
                "exithand-cli",
                "exithand-testkit",
                Normal,
                "only under dev-dependencies",
            ),
            (
                "exithand-cli",
                "exithand-testkit",
                Build,
                "only under dev-dependencies",
            ),
        ];
        for (from, to, kind, message) in cases {
            let found = faults(&graph(&[(from, &[(to, kind)])]));
            assert_eq!(found.len(), 1, "{from} -> {to} {kind:?}: {found:?}");
            assert!(
                found[0].contains(message),
                "{from} -> {to} {kind:?}: {found:?}"
            );
        }
    }

    #[test]
    fn reports_what_comes_in_through_others() {
        let mut graph = graph(&[
            ("exithand", &[("tokio", Kind::Optional)]),
            ("exithand-fs", &[("helper", Kind::Normal)]),
            ("helper", &[("exithand-lowmem", Kind::Normal)]),
            ("exithand-lowmem", &[]),
        ]);
        outside(&mut graph, "tokio", &["tracing"]);
        outside(&mut graph, "tracing", &[]);
        let found = faults(&graph);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("must not contain tracing"), "{found:?}");
        assert!(
            found[1].contains("exithand-fs must not depend on exithand-lowmem"),
            "{found:?}"
        );
    }

    #[test]
    fn reports_default_features_of_the_library() {
        let mut graph = graph(&[("exithand", &[("tokio", Kind::Optional)])]);
        graph
            .packages
            .get_mut("exithand")
            .unwrap()
            .default_features
            .push("tokio".to_owned());
        assert_eq!(
            faults(&graph),
            ["exithand must have no default features, not tokio"]
        );
    }
}
