//! `jeoul tasks`: what there is to weigh with.

use comfy_table::{CellAlignment, Table, presets};
use jeoul_eval::results::{GroupCard, TaskCard};
use jeoul_eval::{TaskError, bundled};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::print;

/// Arguments of `tasks`.
#[derive(clap::Args)]
pub(crate) struct Tasks {
    /// Only tasks and groups whose name contains this.
    filter: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What programs get.
#[derive(Serialize)]
struct Cards {
    groups: Vec<GroupCard>,
    tasks: Vec<TaskCard>,
}

impl Tasks {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let catalog = bundled::catalog()?;
        let wanted = |name: &str| {
            self.filter
                .as_deref()
                .is_none_or(|filter| name.contains(filter))
        };
        let mut cards = Cards {
            groups: catalog.group_cards()?,
            tasks: Vec::new(),
        };
        cards.groups.retain(|card| wanted(&card.name));
        for name in catalog.tasks().filter(|name| wanted(name)) {
            match bundled::task(catalog.task(name)?) {
                Ok(task) => cards.tasks.push(task.card()),
                Err(TaskError::NoSamples { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.json {
            return print(&serde_json::to_string_pretty(&cards)?);
        }
        let (groups, tasks) = (groups(&cards.groups), tasks(&cards.tasks));
        print(&format!(
            "{groups}\n\n{tasks}\n\nThe samples are Jeoul's own documents, not the benchmark's."
        ))
    }
}

fn groups(cards: &[GroupCard]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["group", "tasks", "title"]);
    for card in cards {
        table.add_row([
            card.name.clone(),
            card.tasks.len().to_string(),
            card.title.clone(),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn tasks(cards: &[TaskCard]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["task", "samples", "shots", "chance", "language", "title"]);
    for card in cards {
        table.add_row([
            card.name.clone(),
            card.documents.to_string(),
            card.num_fewshot.to_string(),
            card.chance
                .map_or("-".into(), |chance| format!("{chance:.2}")),
            card.language.clone(),
            card.title.clone(),
        ]);
    }
    for index in 1..=3 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
