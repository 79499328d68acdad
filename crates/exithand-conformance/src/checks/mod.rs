//! All checks, in the order they run.

mod crowd;
mod identity;
mod interrupt;
mod policy;
mod poll;
mod programs;
mod read;
mod refuse;
mod ring;
mod status;
mod storm;
mod text;
mod threads;
mod tree;

use crate::feature::Feature;
use crate::site::Site;
use crate::verdict::Checked;

/// One promise of the contract, and how to find out whether it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    name: &'static str,
    about: &'static str,
    needs: &'static [Feature],
    run: fn(&Site) -> Checked,
}

impl Check {
    const fn new(
        name: &'static str,
        about: &'static str,
        needs: &'static [Feature],
        run: fn(&Site) -> Checked,
    ) -> Self {
        Self {
            name,
            about,
            needs,
            run,
        }
    }

    /// Its name, in words with hyphens.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is promised.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The parts it is about that may be left out.
    pub fn needs(&self) -> &'static [Feature] {
        self.needs
    }

    /// Runs it in this process, which it may change: signals, limits, children.
    ///
    /// # Errors
    ///
    /// What it found, unless the promise is kept.
    pub fn run(&self, site: &Site) -> Checked {
        (self.run)(site)
    }
}

/// All checks, in the order they run.
pub fn all() -> impl Iterator<Item = &'static Check> {
    const TABLES: [&[Check]; 14] = [
        read::CHECKS,
        poll::CHECKS,
        ring::CHECKS,
        interrupt::CHECKS,
        programs::CHECKS,
        threads::CHECKS,
        identity::CHECKS,
        status::CHECKS,
        text::CHECKS,
        policy::CHECKS,
        tree::CHECKS,
        refuse::CHECKS,
        crowd::CHECKS,
        storm::CHECKS,
    ];
    TABLES.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_different_and_can_be_typed() {
        let mut seen = HashSet::new();
        for check in all() {
            let letters = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
            assert!(check.name().chars().all(letters), "{}", check.name());
            assert!(seen.insert(check.name()), "{} is there twice", check.name());
            assert!(!check.about().ends_with('.'), "{}", check.about());
        }
    }
}
