//! The table of runs, in Markdown.

use std::time::Duration;

use super::run::Run;

/// Returns the head of the table.
pub fn head() -> String {
    let columns = [
        "scenario",
        "killer",
        "right victim",
        "extra kills",
        "memory back",
        "victim gone",
        "stall",
        "CPU",
        "switches",
        "PSS",
    ];
    let rule = "---|".repeat(columns.len());
    format!("| {} |\n|{rule}", columns.join(" | "))
}

/// Returns a row: times in milliseconds, median and worst; then medians.
pub fn row(title: &str, killer: &str, runs: &[Run]) -> String {
    let count = runs.len();
    let right = runs.iter().filter(|it| it.is_right).count();
    let none = runs.iter().filter(|it| it.extra == 0).count();
    let most = runs.iter().map(|it| it.extra).max().unwrap_or(0);
    let median = |of: fn(&Run) -> u64| {
        let mut column: Vec<u64> = runs.iter().map(of).collect();
        column.sort_unstable();
        column.get(count / 2).copied().unwrap_or(0)
    };
    let ms = |us: u64| Duration::from_micros(us).as_secs_f64() * 1e3;
    format!(
        "| {title} | {killer} | {right} of {count} | none in {none} of {count}, most {most} | {} | {} | {:.1} | {:.1} | {} | {} |",
        times(runs, |it| it.back),
        times(runs, |it| it.gone),
        ms(median(|it| it.stalled_us)),
        ms(median(|it| it.cost.cpu_us)),
        median(|it| it.cost.switches),
        median(|it| it.cost.pss_kib),
    )
}

fn times(runs: &[Run], of: fn(&Run) -> Option<Duration>) -> String {
    let mut times: Vec<u128> = runs
        .iter()
        .filter_map(|it| Some(of(it)?.as_millis()))
        .collect();
    times.sort_unstable();
    let Some(worst) = times.last() else {
        return "never".to_owned();
    };
    let missing = runs.len() - times.len();
    let never = if missing > 0 {
        format!(", never in {missing}")
    } else {
        String::new()
    };
    format!("{}, {worst}{never}", times[times.len() / 2])
}

/// Says who died, and where the kernel killed before the killer did: each kind of end once, and in how
/// many runs, where there are several.
pub fn dead(runs: &[Run]) -> String {
    let name = |run: &Run| match &run.dead[..] {
        [] => "nobody".to_owned(),
        dead if run.by_kernel > 0 => format!("{}, by the kernel", dead.join(" and ")),
        dead => dead.join(" and "),
    };
    let mut ends: Vec<(String, usize)> = Vec::new();
    for name in runs.iter().map(name) {
        match ends.iter_mut().find(|it| it.0 == name) {
            Some(end) => end.1 += 1,
            None => ends.push((name, 1)),
        }
    }
    let several = ends.len() > 1;
    let words = ends.into_iter().map(|(name, count)| {
        if several {
            format!("{name} ({count})")
        } else {
            name
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_medians_and_who_died() {
        let run = |ms, dead: &[&str]| Run {
            is_right: true,
            back: Some(Duration::from_millis(ms)),
            dead: dead.iter().map(|it| (*it).to_owned()).collect(),
            ..Run::default()
        };
        let runs = [run(3, &["hog"]), run(9, &["hog"]), run(5, &["hog", "cat"])];
        assert_eq!(
            row("A", "x", &runs),
            "| A | x | 3 of 3 | none in 3 of 3, most 0 | 5, 9 | never | 0.0 | 0.0 | 0 | 0 |"
        );
        assert_eq!(dead(&runs), "hog (2); hog and cat (1)");
        assert_eq!(dead(&runs[..2]), "hog");
        assert_eq!(dead(&[run(1, &[])]), "nobody");
        let late = Run {
            by_kernel: 1,
            ..run(1, &["hog"])
        };
        assert_eq!(dead(&[late]), "hog, by the kernel");
    }
}
