//! How many clients there are, and how many of each user.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How many clients there may be.
pub const CLIENTS_MAX: usize = 256;
/// How many of them may be of one user that is not root.
pub const CLIENTS_PER_USER_MAX: usize = 32;
/// How many places only root may take.
const RESERVED: usize = 16;

/// Who is here.
#[derive(Debug, Default)]
pub(crate) struct Guests(RefCell<BTreeMap<u32, usize>>);

/// One client's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    guests: Rc<Guests>,
    uid: u32,
}

impl Guests {
    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().values().sum()
    }

    /// Gives a place to a client of this user, or says for people why not.
    pub(crate) fn admit(self: &Rc<Self>, uid: u32) -> Result<Seat, String> {
        let (all, own) = {
            let seated = self.0.borrow();
            let own = seated.get(&uid).copied().unwrap_or_default();
            (seated.values().sum::<usize>(), own)
        };
        let is_root = uid == 0;
        if !is_root && own >= CLIENTS_PER_USER_MAX {
            return Err(format!(
                "user {uid} has {own} connections to the recorder already, as many as one may: close some"
            ));
        }
        if all >= CLIENTS_MAX - if is_root { 0 } else { RESERVED } {
            return Err(format!(
                "the recorder has {all} clients, as many as it takes: try later"
            ));
        }
        *self.0.borrow_mut().entry(uid).or_default() += 1;
        Ok(Seat {
            guests: Rc::clone(self),
            uid,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.guests.0.borrow_mut();
        if let Some(count) = seated.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                seated.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_keep_the_others_out() {
        let guests = Rc::new(Guests::default());
        let mut seats: Vec<Seat> = Vec::new();
        for _ in 0..CLIENTS_PER_USER_MAX {
            seats.push(guests.admit(1000).unwrap());
        }
        assert!(guests.admit(1000).unwrap_err().contains("user 1000"));
        seats.push(guests.admit(1001).unwrap());
        drop(seats);
        assert_eq!(guests.count(), 0);
    }

    #[test]
    fn root_comes_in_when_all_places_for_others_are_taken() {
        let guests = Rc::new(Guests::default());
        let mut seats = Vec::new();
        let mut admitted = (1..).map(|uid| guests.admit(uid));
        let refused = loop {
            match admitted.next().unwrap() {
                Ok(seat) => seats.push(seat),
                Err(error) => break error,
            }
        };
        assert!(refused.contains("try later"), "{refused}");
        assert_eq!(seats.len(), CLIENTS_MAX - RESERVED);
        for _ in 0..RESERVED {
            seats.push(guests.admit(0).unwrap());
        }
        assert!(guests.admit(0).is_err());
    }
}
