//! Filters as SQL.
//!
//! Patterns are not SQL's business: which shared rows match them is found out first ([`Ids`]), by the
//! same code that judges a live record.

use exithand::Token;
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql};

use super::intern::Text;
use super::row::count_value;
use crate::{Filter, KillerFilter, OutcomeKind, Pattern};

/// More arms than this are searched as one.
const ARMS_MAX: usize = 1000;

/// The shared rows that a filter's patterns match; `None` where it has none.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    programs: Option<Vec<i64>>,
    places: Option<Vec<i64>>,
    killers: Option<Vec<i64>>,
}

impl Ids {
    pub(crate) fn find(db: &Connection, filter: &Filter) -> rusqlite::Result<Self> {
        let names = &filter.names;
        let programs = (!names.is_empty())
            .then(|| programs(db, names))
            .transpose()?;
        let places = places(db, &filter.units, &filter.containers)?;
        let killers = match &filter.killer {
            Some(KillerFilter::Name(name)) => Some(programs_of(db, name)?),
            _ => None,
        };
        Ok(Self {
            programs,
            places,
            killers,
        })
    }

    /// Says whether a pattern matches nothing that any record has.
    pub(crate) fn match_nothing(&self) -> bool {
        let all = [&self.programs, &self.places, &self.killers];
        all.into_iter().flatten().any(Vec::is_empty)
    }
}

fn programs(db: &Connection, names: &[Pattern]) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    for name in names {
        ids.extend(programs_of(db, name)?);
    }
    Ok(unique(ids))
}

fn programs_of(db: &Connection, name: &Pattern) -> rusqlite::Result<Vec<i64>> {
    if let Some(literal) = name.literal() {
        let sql = "SELECT id FROM program WHERE comm = ?1
            UNION SELECT id FROM program WHERE file IS NOT NULL AND file = ?1";
        return db
            .prepare(sql)?
            .query_map([Text(&literal)], |row| row.get(0))?
            .collect();
    }
    let mut ids = Vec::new();
    let mut statement = db.prepare("SELECT id, comm, file FROM program")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if matches(name, row, 1)? || matches(name, row, 2)? {
            ids.push(row.get(0)?);
        }
    }
    Ok(unique(ids))
}

fn places(
    db: &Connection,
    units: &[Pattern],
    containers: &[Pattern],
) -> rusqlite::Result<Option<Vec<i64>>> {
    if units.is_empty() && containers.is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    let mut statement = db.prepare("SELECT id, unit, container FROM place")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let any = |patterns: &[Pattern], index| -> rusqlite::Result<bool> {
            let mut found = patterns.is_empty();
            for pattern in patterns {
                found = found || matches(pattern, row, index)?;
            }
            Ok(found)
        };
        if any(units, 1)? && any(containers, 2)? {
            ids.push(row.get(0)?);
        }
    }
    Ok(Some(unique(ids)))
}

fn matches(pattern: &Pattern, row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<bool> {
    let text = row.get_ref(index)?.as_bytes_or_null()?;
    Ok(text.is_some_and(|text| pattern.matches(text)))
}

fn unique(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Where a search begins: one index, looked up for each of some values.
#[derive(Debug)]
pub(crate) struct Arms {
    /// What stands behind FROM.
    pub(crate) source: &'static str,
    /// The exit's id, as the source has it in order.
    pub(crate) id: &'static str,
    /// What must hold of the value `?1`; nothing where there is no value.
    pub(crate) head: Option<&'static str>,
    /// The values; one that is not used where there are none.
    pub(crate) values: Vec<Value>,
    /// What it makes superfluous.
    covers: Covers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covers {
    Nothing,
    Pids,
    Programs,
    Places,
}

impl Arms {
    /// Returns the way through the whole table, which is right for every filter.
    pub(crate) fn all() -> Self {
        Self::through("exit", "exit.id")
    }

    fn through(source: &'static str, id: &'static str) -> Self {
        Self {
            source,
            id,
            head: None,
            values: vec![Value::Null],
            covers: Covers::Nothing,
        }
    }

    fn each(
        source: &'static str,
        head: &'static str,
        covers: Covers,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        Self {
            source,
            id: "exit.id",
            head: Some(head),
            values: values.into_iter().collect(),
            covers,
        }
    }

    /// Chooses the index that leaves least to look at.
    pub(crate) fn choose(filter: &Filter, ids: &Ids) -> Self {
        const BY_PID: &str = "exit INDEXED BY exit_pid";
        const IS_PID: &str = "exit.pid = ?1";
        let few = |ids: &Option<Vec<i64>>| ids.clone().filter(|ids| ids.len() <= ARMS_MAX);
        let integers = |ids: Vec<i64>| ids.into_iter().map(Value::Integer);
        if let Some(token) = &filter.token {
            if let Some(inode) = token.inode() {
                let inode = Value::Integer(inode.cast_signed());
                let source = "exit INDEXED BY exit_inode";
                return Self::each(source, "exit.inode = ?1", Covers::Nothing, [inode]);
            }
            if let Some(pid) = token.pid() {
                let pid = Value::Integer(pid.as_raw_nonzero().get().into());
                return Self::each(BY_PID, IS_PID, Covers::Nothing, [pid]);
            }
        }
        if !filter.pids.is_empty() && filter.pids.len() <= ARMS_MAX {
            let pids = unique(filter.pids.iter().map(|pid| i64::from(*pid)).collect());
            return Self::each(BY_PID, IS_PID, Covers::Pids, integers(pids));
        }
        if let Some(places) = few(&ids.places) {
            let source = "exit INDEXED BY exit_place";
            let places = integers(places);
            return Self::each(source, "exit.place = ?1", Covers::Places, places);
        }
        if let Some(programs) = few(&ids.programs) {
            let source = "exit INDEXED BY exit_program";
            let programs = integers(programs);
            return Self::each(source, "exit.program = ?1", Covers::Programs, programs);
        }
        if filter.oom.is_some() {
            let source = "oom CROSS JOIN exit ON exit.id = oom.exit";
            return Self::through(source, "oom.exit");
        }
        if filter.killer.is_some() {
            let source = "killer CROSS JOIN exit ON exit.id = killer.exit";
            return Self::through(source, "killer.exit");
        }
        if asks_for_no_success(filter) {
            let source = "exit INDEXED BY exit_failed";
            return Self::through(source, "exit.id");
        }
        Self::all()
    }
}

/// Says whether an exit with status 0 cannot match.
fn asks_for_no_success(filter: &Filter) -> bool {
    let is_success =
        |kind: &OutcomeKind| matches!(kind, OutcomeKind::Exited | OutcomeKind::ExitedWith(0));
    let never = !filter.outcomes.is_empty() && !filter.outcomes.iter().any(is_success);
    filter.failed_only || !filter.signals.is_empty() || never
}

/// Conditions and their values, all of which must hold. `?1` is left to the arm.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    texts: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Conditions {
    /// Returns what `filter` asks of a row of `exit`, besides what `arms` has asked already.
    pub(crate) fn of(filter: &Filter, ids: &Ids, arms: &Arms) -> Self {
        let mut all = Self {
            texts: Vec::new(),
            values: vec![Value::Null],
        };
        if let Some(since) = filter.since {
            all.compare("exit.ended >=", since.unix_ns);
        }
        if let Some(until) = filter.until {
            all.compare("exit.ended <", until.unix_ns);
        }
        let nanos =
            |it: std::time::Duration| count_value(u64::try_from(it.as_nanos()).unwrap_or(u64::MAX));
        if let Some(least) = filter.min_runtime {
            all.compare("exit.runtime >=", nanos(least));
        }
        if let Some(most) = filter.max_runtime {
            all.compare("exit.runtime <=", nanos(most));
        }
        if let Some(token) = &filter.token {
            all.token(token);
        }
        if !filter.pids.is_empty() && arms.covers != Covers::Pids {
            all.any_of("exit.pid", filter.pids.iter());
        }
        if let Some(programs) = ids
            .programs
            .as_ref()
            .filter(|_| arms.covers != Covers::Programs)
        {
            all.any_of("exit.program", programs.iter());
        }
        if let Some(places) = ids
            .places
            .as_ref()
            .filter(|_| arms.covers != Covers::Places)
        {
            all.any_of("exit.place", places.iter());
        }
        if !filter.users.is_empty() {
            all.any_of("exit.uid", filter.users.iter());
        }
        all.end(filter);
        if let Some(killer) = &filter.killer {
            all.killer(killer, ids);
        }
        all
    }

    pub(crate) fn compare(&mut self, what: &str, value: i64) {
        let place = self.value(Value::Integer(value));
        self.texts.push(format!("{what} {place}"));
    }

    /// Returns all conditions joined; true where there are none.
    pub(crate) fn sql(&self) -> String {
        if self.texts.is_empty() {
            return "true".to_owned();
        }
        self.texts.join(" AND ")
    }

    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn any_of<T: ToString>(&mut self, what: &str, ids: impl Iterator<Item = T>) {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        self.texts.push(format!("{what} IN ({})", ids.join(", ")));
    }

    fn token(&mut self, token: &Token) {
        if let Some(inode) = token.inode() {
            self.compare("exit.inode =", inode.cast_signed());
        }
        if let Some(ticks) = token.start_ticks() {
            self.compare("exit.ticks =", ticks.cast_signed());
            let pid = token.pid().map_or(Value::Null, |pid| {
                Value::Integer(pid.as_raw_nonzero().get().into())
            });
            let pid = self.value(pid);
            self.texts.push(format!("exit.pid IS {pid}"));
        }
        if let Some(boot) = token.boot_id() {
            let boot = self.value(Value::Text(boot.to_string()));
            self.texts.push(format!(
                "(exit.boot IS NULL OR exit.boot = (SELECT id FROM boot WHERE boot_id = {boot}))"
            ));
        }
    }

    fn end(&mut self, filter: &Filter) {
        const KNOWN: &str = "typeof(exit.outcome) = 'integer'";
        if asks_for_no_success(filter) {
            // In these words, for the index that has them.
            self.texts.push("exit.outcome <> 0".to_owned());
        }
        if filter.failed_only {
            self.texts.push(KNOWN.to_owned());
        }
        if !filter.signals.is_empty() {
            let signals = filter.signals.iter().map(|signal| signal.number());
            self.texts.push(KNOWN.to_owned());
            self.any_of("exit.outcome & 127", signals);
        }
        if !filter.outcomes.is_empty() {
            let kinds: Vec<String> = filter
                .outcomes
                .iter()
                .map(|kind| match kind {
                    OutcomeKind::Exited => format!("{KNOWN} AND exit.outcome & 127 = 0"),
                    OutcomeKind::ExitedWith(status) => {
                        // The plus keeps the value out of the other conditions, of which an
                        // index needs one word for word.
                        format!("+exit.outcome = {}", i32::from(*status) << 8)
                    }
                    OutcomeKind::Killed => format!("{KNOWN} AND exit.outcome & 127 <> 0"),
                    OutcomeKind::CoreDumped => {
                        format!("{KNOWN} AND exit.outcome & 127 <> 0 AND exit.outcome & 128 <> 0")
                    }
                    OutcomeKind::Unknown => "typeof(exit.outcome) = 'text'".to_owned(),
                })
                .collect();
            self.texts.push(format!("(({}))", kinds.join(") OR (")));
        }
        if let Some(oom) = filter.oom {
            let scope = oom
                .scope()
                .map(|scope| format!(" AND oom.scope = '{}'", scope.as_str()))
                .unwrap_or_default();
            self.exists("oom", &scope);
        }
    }

    fn killer(&mut self, killer: &KillerFilter, ids: &Ids) {
        let more = match killer {
            KillerFilter::Known => String::new(),
            KillerFilter::Pid(pid) => format!(" AND killer.pid = {pid}"),
            KillerFilter::User(uid) => format!(" AND killer.uid = {uid}"),
            KillerFilter::Name(_) => {
                let ids = ids.killers.iter().flatten();
                let ids: Vec<String> = ids.map(i64::to_string).collect();
                format!(" AND killer.program IN ({})", ids.join(", "))
            }
            KillerFilter::Unit(unit) => {
                let glob = self.value(Value::Text(glob(unit)));
                format!(" AND killer.unit GLOB {glob}")
            }
        };
        self.exists("killer", &more);
    }

    fn exists(&mut self, table: &str, more: &str) {
        self.texts.push(format!(
            "EXISTS (SELECT 1 FROM {table} WHERE {table}.exit = exit.id{more})"
        ));
    }
}

/// Writes a pattern as SQLite's GLOB reads it.
fn glob(pattern: &Pattern) -> String {
    let text = pattern.as_str();
    let mut glob = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = char == '\\' && matches!(chars.peek(), Some('*' | '\\'));
        let char = if escaped {
            chars.next().unwrap_or(char)
        } else {
            char
        };
        match char {
            '*' if !escaped => glob.push('*'),
            '*' | '?' | '[' => glob.extend(['[', char, ']']),
            char => glob.push(char),
        }
    }
    glob
}

/// Counts as failed, and as ended for want of memory.
pub(crate) const IS_FAILED: &str = "typeof(exit.outcome) = 'integer' AND exit.outcome <> 0";

/// Returns the values as rusqlite takes them.
pub(crate) fn parameters(values: &[Value]) -> Vec<&dyn ToSql> {
    values.iter().map(|value| -> &dyn ToSql { value }).collect()
}
