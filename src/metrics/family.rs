//! Metrics with all their series made beforehand, registered by their row of the table.

use std::marker::PhantomData;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::{
    label::Label,
    table::{PREFIX, Row, Shape, TABLE},
};

/// One metric for each value of a label, found by position: no hashing and no lock on the hot path.
#[derive(Clone, Debug)]
pub struct PerLabel<L, M> {
    series: Vec<M>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M> PerLabel<L, M> {
    /// The series of a value.
    pub fn of(&self, value: L) -> &M {
        &self.series[value.position()]
    }
}

/// Registers rows of the table.
pub struct Registrar<'a> {
    /// Where to.
    pub registry: &'a Registry,
    /// How many validators the chain has.
    pub validators: usize,
}

/// What is wrong here is a bug of this folder: a name that is not in the table, is registered twice or with another
/// shape. Every start and every test goes through all of it.
const BUG: &str = "the table of metrics and its use agree";

fn find(name: &str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).expect(BUG)
}

fn options(row: &Row) -> Opts {
    Opts::new(format!("{PREFIX}{}", row.name), row.help)
}

impl Registrar<'_> {
    fn keep<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> M {
        self.registry.register(Box::new(metric.clone())).expect(BUG);
        metric
    }

    /// All combinations of a row's label values, the last label running fastest.
    fn combinations(&self, row: &Row) -> Vec<Vec<String>> {
        row.labels.iter().fold(vec![Vec::new()], |combinations, axis| {
            let values = axis.values(self.validators);
            let extend = |start: Vec<String>| {
                values.iter().map(move |value| [start.clone(), vec![value.clone()]].concat()).collect::<Vec<_>>()
            };
            combinations.into_iter().flat_map(extend).collect()
        })
    }

    /// A counter without labels.
    pub fn counter(&self, name: &str) -> IntCounter {
        let row = find(name);
        assert!(row.shape == Shape::Counter && row.labels.is_empty(), "{name}: {BUG}");
        self.keep(IntCounter::with_opts(options(row)).expect(BUG))
    }

    /// A gauge of whole numbers without labels.
    pub fn gauge(&self, name: &str) -> IntGauge {
        let row = find(name);
        assert!(row.shape == Shape::Gauge && row.labels.is_empty(), "{name}: {BUG}");
        self.keep(IntGauge::with_opts(options(row)).expect(BUG))
    }

    /// A gauge without labels.
    pub fn real(&self, name: &str) -> Gauge {
        let row = find(name);
        assert!(row.shape == Shape::Real && row.labels.is_empty(), "{name}: {BUG}");
        self.keep(Gauge::with_opts(options(row)).expect(BUG))
    }

    /// All series of a gauge with labels, the last label running fastest.
    pub fn reals(&self, name: &str) -> Vec<Gauge> {
        let row = find(name);
        assert!(row.shape == Shape::Real, "{name}: {BUG}");
        let names: Vec<&str> = row.labels.iter().map(|axis| axis.name()).collect();
        let family = self.keep(GaugeVec::new(options(row), &names).expect(BUG));
        self.combinations(row).iter().map(|values| family.with_label_values(values)).collect()
    }

    /// A histogram.
    pub fn histogram(&self, name: &str) -> Histogram {
        let row = find(name);
        let Shape::Histogram(bounds) = row.shape else { panic!("{name}: {BUG}") };
        let options = HistogramOpts { common_opts: options(row), buckets: bounds.to_vec() };
        self.keep(Histogram::with_opts(options).expect(BUG))
    }

    /// All series of a counter with labels, the last label running fastest.
    pub fn counters(&self, name: &str) -> Vec<IntCounter> {
        let row = find(name);
        assert!(row.shape == Shape::Counter, "{name}: {BUG}");
        let names: Vec<&str> = row.labels.iter().map(|axis| axis.name()).collect();
        let family = self.keep(IntCounterVec::new(options(row), &names).expect(BUG));
        self.combinations(row).iter().map(|values| family.with_label_values(values)).collect()
    }

    /// A counter with one label.
    pub fn counter_per<L: Label>(&self, name: &str) -> PerLabel<L, IntCounter> {
        per_label(self.counters(name))
    }

    /// A counter with two labels.
    pub fn counter_per_two<A: Label, B: Label>(&self, name: &str) -> PerLabel<A, PerLabel<B, IntCounter>> {
        per_label(self.counters(name).chunks(B::all().len()).map(|chunk| per_label(chunk.to_vec())).collect())
    }

    /// A gauge with one label.
    pub fn gauge_per<L: Label>(&self, name: &str) -> PerLabel<L, IntGauge> {
        let row = find(name);
        let family = self.gauge_family(row);
        per_label(self.combinations(row).iter().map(|values| family.with_label_values(values)).collect())
    }

    /// A gauge that is 1 for one combination of label values, and has no other series.
    pub fn constant(&self, name: &str, values: &[&str]) {
        self.gauge_family(find(name)).with_label_values(values).set(1);
    }

    fn gauge_family(&self, row: &Row) -> IntGaugeVec {
        assert!(row.shape == Shape::Gauge, "{}: {BUG}", row.name);
        let names: Vec<&str> = row.labels.iter().map(|axis| axis.name()).collect();
        self.keep(IntGaugeVec::new(options(row), &names).expect(BUG))
    }
}

fn per_label<L: Label, M>(series: Vec<M>) -> PerLabel<L, M> {
    assert_eq!(series.len(), L::all().len(), "{BUG}");
    PerLabel { series, label: PhantomData }
}
