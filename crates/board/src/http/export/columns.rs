//! The columns of an exported table: those of every row, then two for each task.

use super::super::row::{RowTask, TableRow};

/// What a column holds, beside nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Real,
    Truth,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Integer(i64),
    Real(f64),
    Truth(bool),
    Empty,
}

type Read = Box<dyn Fn(&TableRow, &[RowTask]) -> Cell + Send + Sync>;

/// A column.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    read: Read,
}

impl Column {
    fn new(
        name: impl Into<String>,
        kind: Kind,
        read: impl Fn(&TableRow, &[RowTask]) -> Cell + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            read: Box::new(read),
        }
    }
}

/// All columns of a table with these tasks.
pub(super) fn columns(tasks: &[String]) -> Vec<Column> {
    fn text(name: &str, read: fn(&TableRow) -> &str) -> Column {
        Column::new(name, Kind::Text, move |row, _| {
            Cell::Text(read(row).to_owned())
        })
    }
    fn option(name: &str, read: fn(&TableRow) -> &Option<String>) -> Column {
        Column::new(name, Kind::Text, move |row, _| {
            read(row).clone().map_or(Cell::Empty, Cell::Text)
        })
    }
    fn integer(name: &str, read: fn(&TableRow) -> i64) -> Column {
        Column::new(name, Kind::Integer, move |row, _| Cell::Integer(read(row)))
    }
    fn truth(name: &str, read: fn(&TableRow) -> bool) -> Column {
        Column::new(name, Kind::Truth, move |row, _| Cell::Truth(read(row)))
    }
    let mut columns = vec![
        text("id", |row| &row.id),
        text("board", |row| &row.board),
        text("author", |row| &row.author),
        integer("stored_ms", |row| row.stored_ms),
        text("model", |row| &row.model.name),
        text("model_sha256", |row| &row.model.sha256),
        integer("model_size_bytes", |row| row.model.size_bytes),
        text("quantization", |row| &row.model.quantization),
        text("architecture", |row| &row.model.architecture),
        integer("parameters", |row| row.model.parameters),
        option("licence", |row| &row.model.licence),
        text("type", |row| &row.model.kind),
        text("precision", |row| &row.model.precision),
        truth("merged", |row| row.model.merged),
        truth("on_hub", |row| row.model.on_hub),
        text("lane", |row| &row.lane),
        option("adapter", |row| &row.adapter),
        text("engine", |row| &row.engine),
        option("module_sha256", |row| &row.module_sha256),
        text("trust", |row| row.trust),
        truth("disputed", |row| row.disputed),
        integer("flags", |row| row.flags),
        Column::new("average", Kind::Real, |row, _| real(row.average)),
    ];
    for name in tasks {
        let (task, other) = (name.clone(), name.clone());
        let value = move |_: &TableRow, tasks: &[RowTask]| {
            real(main(tasks, &task).and_then(|metric| metric.value))
        };
        let stderr = move |_: &TableRow, tasks: &[RowTask]| {
            real(main(tasks, &other).and_then(|metric| metric.stderr))
        };
        columns.push(Column::new(format!("task:{name}"), Kind::Real, value));
        columns.push(Column::new(format!("stderr:{name}"), Kind::Real, stderr));
    }
    columns
}

/// The cells of a row.
pub(super) fn cells(columns: &[Column], row: &TableRow) -> Vec<Cell> {
    let tasks: Vec<RowTask> = serde_json::from_str(row.tasks.get()).unwrap_or_default();
    columns
        .iter()
        .map(|column| (column.read)(row, &tasks))
        .collect()
}

fn real(value: Option<f64>) -> Cell {
    value.map_or(Cell::Empty, Cell::Real)
}

/// The main metric of a task.
fn main<'a>(tasks: &'a [RowTask], name: &str) -> Option<&'a jeoul_record::check::CheckedMetric> {
    let task = tasks.iter().find(|task| task.checked.name == name)?;
    let mut metrics = task.checked.metrics.iter();
    metrics.find(|metric| Some(&metric.name) == task.main.as_ref())
}
