//! Curves and histograms as SVG.

use askama::Template;

/// Size of a chart, and what is around the plot, in units of its own.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;

/// Colours there are for curves; more begin anew.
const COLORS: usize = 6;

/// A chart that is drawn.
#[derive(Debug)]
pub(crate) struct Chart {
    title: String,
    svg: String,
}

/// How numbers lie along an axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    label: String,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Axis {
    /// From `from` to 1, each power of ten as wide as the next.
    pub(crate) fn log(label: &str, from: f64) -> Self {
        Self { label: label.to_owned(), from, to: 1.0, logarithmic: true }
    }

    /// From 0 to 1.
    pub(crate) fn share(label: &str) -> Self {
        Self::linear(label, 0.0, 1.0)
    }

    pub(crate) fn linear(label: &str, from: f64, to: f64) -> Self {
        Self { label: label.to_owned(), from, to, logarithmic: false }
    }

    /// 0 at the beginning of the axis and 1 at its end; what lies beyond is moved to the end.
    fn place(&self, value: f64) -> f64 {
        let place = match self.logarithmic {
            true => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let decades = (self.to / self.from).log10().round() as i32;
            (0..=decades).map(|decade| self.to * 10f64.powi(-decade)).map(|tick| (tick, power(tick))).collect()
        } else {
            let step = (self.to - self.from) / 5.0;
            (0..=5).map(|i| self.from + step * f64::from(i)).map(|tick| (tick, decimal(tick))).collect()
        }
    }
}

fn power(tick: f64) -> String {
    if tick >= 0.0999 { format!("{tick:.1}").replace("1.0", "1") } else { format!("{tick:.0e}") }
}

fn decimal(tick: f64) -> String {
    let text = format!("{tick:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A curve through points.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A point that is pointed out.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) label: String,
}

/// Curves in one plot.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) marks: Vec<Mark>,
}

/// Shares of each kind in equal steps, over one another.
#[derive(Debug)]
pub(crate) struct Histogram {
    pub(crate) title: String,
    pub(crate) x: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Name and shares.
    pub(crate) kinds: Vec<(String, Vec<f64>)>,
    /// Where the decision lies.
    pub(crate) threshold: Option<f64>,
}

#[derive(Template)]
#[template(path = "chart.svg")]
struct Drawing {
    description: String,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_label: String,
    y_label: String,
    x_ticks: Vec<(f64, String)>,
    y_ticks: Vec<(f64, String)>,
    /// Colour and points.
    curves: Vec<(usize, String)>,
    /// Colour, place and size.
    bars: Vec<(usize, [f64; 4])>,
    marks: Vec<(f64, f64, String)>,
    threshold: Option<f64>,
    /// Colour, place and name.
    legend: Vec<(usize, f64, String)>,
}

impl Drawing {
    fn new(description: &str, x: &Axis, y: &Axis) -> Self {
        let ticks = |axis: &Axis, place: fn(f64) -> f64| {
            axis.ticks().into_iter().map(|(tick, text)| (place(axis.place(tick)), text)).collect()
        };
        Self {
            description: description.to_owned(),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: WIDTH - RIGHT,
            top: TOP,
            bottom: HEIGHT - BOTTOM,
            x_label: x.label.clone(),
            y_label: y.label.clone(),
            x_ticks: ticks(x, across),
            y_ticks: ticks(y, up),
            curves: Vec::new(),
            bars: Vec::new(),
            marks: Vec::new(),
            threshold: None,
            legend: Vec::new(),
        }
    }

    fn name<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        let mut place = LEFT;
        for (index, name) in names.enumerate() {
            self.legend.push((index % COLORS, place, name.clone()));
            // Letters of the size used are about 7 units wide.
            place += 7.0 * name.chars().count() as f64 + 30.0;
        }
    }

    fn chart(self, title: String) -> Chart {
        let svg = self.render().unwrap_or_else(|error| format!("<p>the chart could not be drawn: {error}</p>"));
        Chart { title, svg }
    }
}

/// Places in the plot, from shares of its sides.
fn across(place: f64) -> f64 {
    tenths(LEFT + place * (WIDTH - RIGHT - LEFT))
}

fn up(place: f64) -> f64 {
    tenths(HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP))
}

fn tenths(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

impl Chart {
    /// Draws curves.
    pub(crate) fn lines(lines: Lines) -> Self {
        let Lines { title, x, y, series, marks } = lines;
        let mut drawing = Drawing::new(&format!("{}: {} against {}", title, y.label, x.label), &x, &y);
        let place = |&(at_x, at_y): &(f64, f64)| (across(x.place(at_x)), up(y.place(at_y)));
        for (index, series) in series.iter().enumerate() {
            let mut points: Vec<(f64, f64)> = series.points.iter().map(place).collect();
            points.dedup();
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
            drawing.curves.push((index % COLORS, points.join(" ")));
        }
        drawing.name(series.iter().map(|series| &series.name));
        drawing.marks = marks
            .into_iter()
            .map(|mark| {
                let (x, y) = place(&(mark.x, mark.y));
                (x, y, mark.label)
            })
            .collect();
        drawing.chart(title)
    }

    /// Draws a histogram, each kind as high as its highest share.
    pub(crate) fn histogram(histogram: Histogram) -> Self {
        let Histogram { title, x, from, to, kinds, threshold } = histogram;
        let x = Axis::linear(&x, from, to);
        let highest = kinds.iter().flat_map(|(_, shares)| shares).copied().fold(f64::MIN_POSITIVE, f64::max);
        let y = Axis::linear("share of each kind", 0.0, highest);
        let mut drawing = Drawing::new(&format!("{}: shares by {}", title, x.label), &x, &y);
        for (index, (_, shares)) in kinds.iter().enumerate() {
            let step = 1.0 / shares.len().max(1) as f64;
            for (bin, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let (left, right) = (across(bin as f64 * step), across((bin + 1) as f64 * step));
                let top = up(y.place(share));
                drawing.bars.push((index % COLORS, [left, top, tenths(right - left), tenths(up(0.0) - top)]));
            }
        }
        drawing.name(kinds.iter().map(|(name, _)| name));
        drawing.threshold = threshold.map(|threshold| across(x.place(threshold)));
        drawing.chart(title)
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Well-formed SVG, escaped already.
    pub(crate) fn svg(&self) -> &str {
        &self.svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_equally_far_apart() {
        let axis = Axis::log("x", 1e-4);
        assert!((axis.place(1e-2) - 0.5).abs() < 1e-9);
        assert_eq!((axis.place(0.0), axis.place(1.0)), (0.0, 1.0));
        let ticks: Vec<String> = axis.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(ticks, ["1", "0.1", "1e-2", "1e-3", "1e-4"]);
    }

    #[test]
    fn numbers_that_are_none_do_not_leave_the_plot() {
        let chart = Chart::lines(Lines {
            title: "t".into(),
            x: Axis::log("x", 1e-3),
            y: Axis::share("y"),
            series: vec![Series { name: "s".into(), points: vec![(-1.0, 2.0), (0.5, 0.5), (f64::INFINITY, -3.0)] }],
            marks: vec![],
        });
        assert!(!chart.svg().contains("NaN") && !chart.svg().contains("inf"), "{}", chart.svg());
        let empty = Histogram { title: "t".into(), x: "x".into(), from: 0.0, to: 1.0, kinds: vec![], threshold: None };
        assert!(Chart::histogram(empty).svg().contains("<svg"));
    }
}
