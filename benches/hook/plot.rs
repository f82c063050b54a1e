//! The figures as a drawing: bars for one interface, lines for many. Both scales of time are
//! logarithmic, a step ten times the one before.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::report::Report;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 660.0;

/// Where a time in microseconds stands between 100 µs and 1 s.
fn place(micros: f64) -> f64 {
    LEFT + (micros.max(100.0).log10() - 2.0) / 4.0 * (RIGHT - LEFT)
}

fn shown(micros: f64) -> String {
    if micros < 10_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.1} ms", micros / 1000.0)
    }
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = text
        .replace('`', "")
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}

/// The drawing.
pub fn svg(report: &Report) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    for (kind, rows) in &report.single {
        body += &text(
            10.0,
            y,
            "start",
            &format!("One interface, {kind} build: median, with quartiles"),
        );
        y += 12.0;
        for row in rows {
            let [median, first, third] = row.time;
            let fill = if row.name.contains("policy-table") {
                "#26547c"
            } else {
                "#9aa5b1"
            };
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{fill}\"/>\n\
                 <path d=\"M{:.1} {:.1}H{:.1}\" stroke=\"#000\"/>",
                place(median) - LEFT,
                place(first),
                y + 6.0,
                place(third),
            );
            body += &text(LEFT - 6.0, y + 10.5, "end", &row.name);
            body += &text(place(third) + 6.0, y + 10.5, "start", &shown(median));
            y += 18.0;
        }
        y += 24.0;
    }
    body += &many(report, y);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        y + 280.0
    )
}

/// Wall time for one interface against how many there are.
fn many(report: &Report, top: f64) -> String {
    let mut body = text(
        10.0,
        top,
        "start",
        "Many interfaces, one after another: wall time each",
    );
    let (top, height, left, right) = (top + 14.0, 220.0, 60.0, 520.0);
    let across = |count: usize| left + ((count as f64).log10() - 1.0) / 2.7 * (right - left);
    let down = |micros: f64| top + height - (micros.max(100.0).log10() - 2.0) / 2.0 * height;
    for micros in [100.0, 1000.0, 10_000.0] {
        let _ = writeln!(
            body,
            "<path d=\"M{left} {:.1}H{right}\" stroke=\"#ddd\"/>",
            down(micros)
        );
        body += &text(left - 6.0, down(micros) + 4.0, "end", &shown(micros));
    }
    let mut lines: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
    for many in report.many.iter().filter(|many| many.at_a_time == 1) {
        let points = lines.entry(&many.name).or_default();
        if !points.iter().any(|(count, _)| *count == many.interfaces) {
            points.push((many.interfaces, many.wall));
        }
    }
    let colours = [
        "#26547c", "#ef476f", "#06a77d", "#8d5fd3", "#e09f3e", "#3d405b", "#5f9ea0",
    ];
    let mut labels: Vec<(f64, String)> = Vec::new();
    for ((name, points), colour) in lines.iter().zip(colours.iter().cycle()) {
        let path: Vec<String> = points
            .iter()
            .map(|(count, wall)| format!("{:.1},{:.1}", across(*count), down(*wall)))
            .collect();
        let _ = writeln!(
            body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        if let Some((_, wall)) = points.last() {
            labels.push((
                down(*wall),
                format!("<tspan fill=\"{colour}\">{}</tspan>", name.replace('`', "")),
            ));
        }
    }
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut y = 0.0_f64;
    for (at, label) in labels {
        y = (y + 13.0).max(at + 4.0);
        let _ = writeln!(
            body,
            "<text x=\"{:.1}\" y=\"{y:.1}\">{label}</text>",
            right + 8.0
        );
    }
    let counts: std::collections::BTreeSet<usize> =
        report.many.iter().map(|many| many.interfaces).collect();
    for count in counts {
        body += &text(
            across(count),
            top + height + 16.0,
            "middle",
            &count.to_string(),
        );
    }
    body
}
