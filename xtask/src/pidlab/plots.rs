//! The plots of the page, as SVG.

use std::ops::Range;
use std::time::Duration;

use anyhow::anyhow;
use exithand_pidlab::{NetBsd, estimate};
use plotters::prelude::*;

use super::runs::{INTERVALS, JOB, JOBS, PID_MAX, Run, SERVICE, SERVICES, STARTS};

const SIZE: (u32, u32) = (760, 420);
const TEXT: (&str, i32) = ("sans-serif", 14);
/// Colours that people who don't see red and green apart can tell, in the order of the runs.
const COLORS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];

/// What the axes are called, and where they run; both are logarithmic.
struct Axes {
    x: (&'static str, Range<f64>),
    y: (&'static str, Range<f64>),
}

/// A line, or points, with its name.
struct Series {
    name: String,
    color: RGBColor,
    line: Vec<(f64, f64)>,
    points: Vec<(f64, f64)>,
}

/// How many numbers of services have come again after so many starts.
pub(super) fn distance(runs: &[Run]) -> anyhow::Result<String> {
    let steps = (0..=260).map(|step| 10_f64.powf(f64::from(step) / 50.0));
    let starts: Vec<u64> = steps.filter_map(whole).collect();
    let series = runs.iter().zip(COLORS).map(|(run, color)| {
        let services = &run.report.services;
        let share = |start: &u64| (number(*start), services.share_within(*start) * 100.0);
        let line = starts.iter().map(share).filter(|(_, share)| *share > 0.0);
        Series {
            name: run.name.to_owned(),
            color,
            line: line.collect(),
            points: Vec::new(),
        }
    });
    // Of the counter no number comes again: there is no line to draw.
    let series = series.filter(|it| !it.line.is_empty()).collect();
    let axes = Axes {
        x: (
            "other processes started since the number was freed",
            1.0..150_000.0,
        ),
        y: ("numbers in use again, percent", 0.01..100.0),
    };
    draw(&axes, series)
}

/// The chance in one wait that a poller of a service is fooled.
pub(super) fn poller(runs: &[Run]) -> anyhow::Result<String> {
    let series = runs.iter().zip(COLORS).map(|(run, color)| {
        let chances = INTERVALS.iter().zip(run.report.services.fooled());
        let points = chances.map(|(interval, chance)| (interval.as_secs_f64(), chance * 100.0));
        Series {
            name: run.name.to_owned(),
            color,
            line: Vec::new(),
            points: points.filter(|(_, chance)| *chance > 0.0).collect(),
        }
    });
    let mut series: Vec<Series> = series.filter(|it| !it.points.is_empty()).collect();
    let lap = estimate::lap(PID_MAX, SERVICES, STARTS).unwrap_or_default();
    let formula = |interval: &Duration| {
        // Who has the number next is a job or a service.
        let chance = |share, life| share * estimate::fooled_after_long(lap, life, *interval);
        let jobs = chance(JOBS / STARTS, JOB);
        let services = chance(1.0 - JOBS / STARTS, SERVICE);
        (interval.as_secs_f64(), (jobs + services) * 100.0)
    };
    series.push(Series {
        name: "Linux, by the formula".to_owned(),
        color: COLORS[0],
        line: INTERVALS.iter().map(formula).collect(),
        points: Vec::new(),
    });
    let axes = Axes {
        x: ("the poller looks every so many seconds", 0.4..60.0),
        y: ("waits in which it is fooled, percent", 0.01..10.0),
    };
    draw(&axes, series)
}

/// How soon a number comes again at the earliest on NetBSD, by the size of its table.
pub(super) fn netbsd() -> anyhow::Result<String> {
    let sizes: Vec<u64> = (5..=17).map(|bits| 1 << bits).collect();
    let points = sizes.iter().map(|size| {
        let least = NetBsd::least_distance(*size);
        (number(*size), number(least))
    });
    let points: Vec<_> = points.collect();
    let series = vec![
        Series {
            name: "what the code gives".to_owned(),
            color: COLORS[1],
            line: points.clone(),
            points,
        },
        Series {
            name: "what its comment says: 2000+".to_owned(),
            color: COLORS[4],
            line: vec![(24.0, 2000.0), (200_000.0, 2000.0)],
            points: Vec::new(),
        },
    ];
    let axes = Axes {
        x: ("slots in the table", 24.0..200_000.0),
        y: (
            "others started before a number comes again, at the least",
            800.0..3000.0,
        ),
    };
    draw(&axes, series)
}

fn draw(axes: &Axes, series: Vec<Series>) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw_into(&mut svg, axes, series).map_err(|error| anyhow!("draw a plot: {error}"))?;
    if !svg.ends_with('\n') {
        svg.push('\n');
    }
    Ok(svg)
}

type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw_into<'a>(svg: &'a mut String, axes: &Axes, series: Vec<Series>) -> Result<(), Failure<'a>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(axes.x.1.clone().log_scale(), axes.y.1.clone().log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(TEXT)
        .axis_desc_style(TEXT)
        .x_label_formatter(&|it| it.to_string())
        .y_label_formatter(&|it| it.to_string())
        .x_desc(axes.x.0)
        .y_desc(axes.y.0)
        .draw()?;
    for Series {
        name,
        color,
        line,
        points,
    } in series
    {
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        chart.draw_series(
            points
                .into_iter()
                .map(|it| Circle::new(it, 4, color.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(TEXT)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    root.present()
}

/// A count as a place on an axis; counts here are small.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// A place on an axis as a count.
fn whole(place: f64) -> Option<u64> {
    format!("{place:.0}").parse().ok()
}
