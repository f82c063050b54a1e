//! What was measured, in words and figures.

use std::fmt::Write;
use std::fs;

/// One way, measured in rounds.
pub struct Row {
    /// What was run.
    pub name: String,
    /// Median, first and third quartile, in microseconds.
    pub time: [f64; 3],
    /// Median of the ratios to what ran first in the same round.
    pub ratio: f64,
}

impl Row {
    /// Of the times of its rounds and of those of the measure, in microseconds.
    pub fn new(name: &str, times: &[f64], base: &[f64]) -> Self {
        let ratios: Vec<f64> = times
            .iter()
            .zip(base)
            .map(|(time, base)| time / base)
            .collect();
        Self {
            name: name.to_owned(),
            time: [at(times, 0.5), at(times, 0.25), at(times, 0.75)],
            ratio: at(&ratios, 0.5),
        }
    }
}

/// The value at a share of the way through the sorted values.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Many interfaces by one way.
pub struct Many {
    /// The way.
    pub name: String,
    /// How many interfaces.
    pub interfaces: usize,
    /// How many of them at a time.
    pub at_a_time: usize,
    /// Wall time for one of them, in microseconds.
    pub wall: f64,
    /// Time on a processor for one of them, in microseconds: the program's own and the kernel's for
    /// it, which getrusage(2) cannot tell apart where a run is shorter than a tick.
    pub processor: f64,
    /// Bytes by which the file of names grew.
    pub grown: u64,
    /// Most memory that one more run takes, in KiB.
    pub memory: Option<u64>,
}

/// Names registered on a disk.
pub struct Names {
    /// How many names the file had before.
    pub there: usize,
    /// What the registration adds to an up, in microseconds.
    pub ours: f64,
    /// Opening, appending one line and syncing, in microseconds.
    pub append: f64,
}

/// One command.
pub struct Asked {
    /// Its line.
    pub line: String,
    /// Wall time, the median, in microseconds.
    pub time: f64,
    /// The most memory it took, in KiB.
    pub memory: u64,
}

/// A host with very many interfaces and routes.
#[derive(Default)]
pub struct Host {
    /// Interfaces, all of them up.
    pub interfaces: usize,
    /// Routes in the main table beside theirs.
    pub routes: usize,
    /// What was asked there.
    pub asked: Vec<Asked>,
}

/// All of it.
#[derive(Default)]
pub struct Report {
    /// By build.
    pub single: Vec<(String, Vec<Row>)>,
    /// The whole `ifup`.
    pub whole: Vec<Row>,
    /// Growing numbers of interfaces.
    pub many: Vec<Many>,
    /// Registration.
    pub names: Vec<Names>,
    /// The commands.
    pub host: Host,
    /// What programs take on a disk, in bytes.
    pub sizes: Vec<(String, u64)>,
}

impl Report {
    /// The report as Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("# What a run of the hook costs\n\n{}\n", machine());
        text += "\n![the figures below as a plot](hook.svg)\n";
        for (kind, rows) in &self.single {
            let _ = write!(text, "\n## One interface, {kind} build\n\n{}", table(rows));
        }
        let _ = write!(text, "\n## The whole `ifup`\n\n{}", table(&self.whole));
        text += "\n## Many interfaces\n\n\
            | | interfaces | at a time | wall time each | processor time each | `rt_tables` grew by | memory |\n\
            |---|--:|--:|--:|--:|--:|--:|\n";
        for many in &self.many {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} µs | {:.0} µs | {} B | {} |",
                many.name,
                many.interfaces,
                many.at_a_time,
                many.wall,
                many.processor,
                many.grown,
                many.memory
                    .map_or_else(String::new, |kib| format!("{kib} KiB"))
            );
        }
        text += "\n## A new name on a disk\n\n\
            | names there | `policy-table` up, beyond that of a known name | open, append, fsync | ratio |\n\
            |--:|--:|--:|--:|\n";
        for names in &self.names {
            let _ = writeln!(
                text,
                "| {} | {:.0} µs | {:.0} µs | {:.2} |",
                names.there,
                names.ours,
                names.append,
                names.ours / names.append
            );
        }
        let Host {
            interfaces,
            routes,
            asked,
        } = &self.host;
        let _ = write!(
            text,
            "\n## The commands on a host with {interfaces} interfaces and {routes} routes\n\n\
            | | wall time | memory |\n|---|--:|--:|\n"
        );
        for Asked { line, time, memory } in asked {
            let (time, memory) = (time / 1e3, memory / 1024);
            let _ = writeln!(text, "| `{line}` | {time:.0} ms | {memory} MiB |");
        }
        text += "\n## The programs, stripped\n\n| | size |\n|---|--:|\n";
        for (name, size) in &self.sizes {
            let _ = writeln!(text, "| {name} | {} kB |", size / 1000);
        }
        text
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "| | median | quartiles | ratio |\n|---|--:|--:|--:|\n".to_owned();
    for Row { name, time, ratio } in rows {
        let [median, first, third] = time;
        let _ = writeln!(
            text,
            "| {name} | {median:.0} µs | {first:.0}–{third:.0} µs | {ratio:.3} |"
        );
    }
    text
}

fn machine() -> String {
    let line = |path: &str, start: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(start));
        found
            .unwrap_or_default()
            .trim_start_matches([' ', '\t', ':', '='])
            .trim_matches('"')
            .to_owned()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = std::env::var("BENCH_RUSTC").unwrap_or_default();
    format!(
        "`sudo benches/run` on {}, Linux {}, {} × {}, {rustc}.\n\n\
         Wall time from the start of a process to its end as its parent sees it; median and quartiles of\n\
         rounds in which all take turns. A ratio is the median of the ratios to the first line of the table\n\
         in the same round.",
        line("/etc/os-release", "PRETTY_NAME"),
        kernel.trim(),
        cores,
        line("/proc/cpuinfo", "model name"),
    )
}
