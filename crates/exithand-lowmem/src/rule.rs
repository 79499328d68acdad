//! Rules: who is protected, avoided or preferred, and who goes with its whole unit.

use crate::glob;
use crate::reading::{container_of, unit_of};

/// What a rule does with the processes it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Never kill it.
    Protect,
    /// Kill it after all others.
    Avoid,
    /// Kill it before all others.
    Prefer,
    /// Kill its whole cgroup at once.
    AsUnit,
}

/// What a process may be known by. `None` where a fact was not asked for, or cannot be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its real user id.
    pub uid: u32,
    /// The path of its program.
    pub exe: Option<&'a [u8]>,
    /// Its command line, words separated by blanks.
    pub command: Option<&'a [u8]>,
    /// The path of its cgroup.
    pub cgroup: Option<&'a [u8]>,
}

/// One rule: every pattern it has must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// Matches the name.
    pub name: Option<String>,
    /// Matches the path of the program.
    pub exe: Option<String>,
    /// Matches the command line.
    pub command: Option<String>,
    /// Is the real user id.
    pub uid: Option<u32>,
    /// Matches the unit of systemd.
    pub unit: Option<String>,
    /// Matches the path of the cgroup.
    pub cgroup: Option<String>,
    /// Matches the id of the container.
    pub container: Option<String>,
}

impl Matcher {
    /// Says whether the rule speaks of the process with these facts.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&[u8]>| match (pattern, text) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(text)) => glob::matches(pattern.as_bytes(), text),
        };
        fits(&self.name, Some(facts.name))
            && self.uid.is_none_or(|uid| uid == facts.uid)
            && fits(&self.exe, facts.exe)
            && fits(&self.command, facts.command)
            && fits(&self.cgroup, facts.cgroup)
            && fits(&self.unit, facts.cgroup.and_then(unit_of))
            && fits(&self.container, facts.cgroup.and_then(container_of))
    }

    /// Says whether nothing at all is asked of a process.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn patterns(&self) -> [&Option<String>; 6] {
        let Self {
            name,
            exe,
            command,
            uid: _,
            unit,
            cgroup,
            container,
        } = self;
        [name, exe, command, unit, cgroup, container]
    }

    /// Says whether every process matches.
    pub fn matches_everything(&self) -> bool {
        let all = |pattern: &str| pattern.bytes().all(|byte| byte == b'*');
        self.uid.is_none() && self.patterns().into_iter().flatten().all(|it| all(it))
    }
}

/// A matcher and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it speaks of.
    pub matcher: Matcher,
    /// What is done with them.
    pub action: Action,
}

/// What the rules ask to know of a process beyond its status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The path of the program.
    pub exe: bool,
    /// The command line.
    pub command: bool,
    /// The cgroup.
    pub cgroup: bool,
}

/// All rules, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

/// What the rules say of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ruling {
    /// The first of protect, avoid and prefer that matches, and the number of its rule.
    pub action: Option<(Action, usize)>,
    /// Whether it goes with its whole unit.
    pub as_unit: bool,
}

impl Rules {
    /// Says which facts have to be read.
    pub fn wanted(&self) -> Wanted {
        let any = |asks: fn(&Matcher) -> bool| self.0.iter().any(|rule| asks(&rule.matcher));
        Wanted {
            exe: any(|it| it.exe.is_some()),
            command: any(|it| it.command.is_some()),
            cgroup: any(|it| it.cgroup.is_some() || it.unit.is_some() || it.container.is_some())
                || self.0.iter().any(|rule| rule.action == Action::AsUnit),
        }
    }

    /// Judges a process. The first rule that matches counts; `as-unit` goes with any other.
    pub fn judge(&self, facts: &Facts<'_>) -> Ruling {
        let mut ruling = Ruling::default();
        for (index, rule) in self.0.iter().enumerate() {
            if ruling.action.is_some() && rule.action != Action::AsUnit {
                continue;
            }
            if !rule.matcher.matches(facts) {
                continue;
            }
            match rule.action {
                Action::AsUnit => ruling.as_unit = true,
                action => ruling.action = Some((action, index)),
            }
        }
        ruling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pattern: &str, action: Action) -> Rule {
        let matcher = Matcher {
            name: Some(pattern.to_owned()),
            ..Matcher::default()
        };
        Rule { matcher, action }
    }

    #[test]
    fn the_first_rule_counts_and_units_go_with_any() {
        let rules = Rules(vec![
            named("sshd", Action::Protect),
            named("s*", Action::Prefer),
            named("*", Action::AsUnit),
        ]);
        let judge = |name: &str| {
            let facts = Facts {
                name: name.as_bytes(),
                ..Facts::default()
            };
            rules.judge(&facts)
        };
        assert_eq!(judge("sshd").action, Some((Action::Protect, 0)));
        assert_eq!(judge("sleep").action, Some((Action::Prefer, 1)));
        assert_eq!(judge("cat").action, None);
        assert!(judge("cat").as_unit);
    }

    #[test]
    fn all_patterns_of_a_rule_must_match() {
        let matcher = Matcher {
            name: Some("java".to_owned()),
            unit: Some("app@*.service".to_owned()),
            uid: Some(7),
            ..Matcher::default()
        };
        let facts = Facts {
            name: b"java",
            uid: 7,
            cgroup: Some(b"/system.slice/app@1.service"),
            ..Facts::default()
        };
        assert!(matcher.matches(&facts));
        assert!(!matcher.matches(&Facts { uid: 8, ..facts }));
        assert!(!matcher.matches(&Facts {
            cgroup: None,
            ..facts
        }));
        assert!(!matcher.matches_everything());
    }

    #[test]
    fn sees_rules_that_match_everything() {
        assert!(named("**", Action::Protect).matcher.matches_everything());
        assert!(Matcher::default().matches_everything());
        assert!(!named("a*", Action::Protect).matcher.matches_everything());
    }
}
