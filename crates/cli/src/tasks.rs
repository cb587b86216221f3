//! `jeoul tasks`: what there is to weigh with.

use comfy_table::{CellAlignment, Table, presets};
use jeoul_eval::results::TaskCard;
use jeoul_eval::{Task, bundled};

use crate::failure::Failure;
use crate::output::print;

/// Arguments of `tasks`.
#[derive(clap::Args)]
pub(crate) struct Tasks {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Tasks {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let cards: Vec<TaskCard> = bundled::tasks()?.iter().map(Task::card).collect();
        if self.json {
            return print(&serde_json::to_string_pretty(&cards)?);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "task",
            "documents",
            "most shots",
            "chance",
            "language",
            "title",
        ]);
        for card in &cards {
            table.add_row([
                card.name.clone(),
                card.documents.to_string(),
                card.max_fewshot.to_string(),
                format!("{:.2}", card.chance),
                card.language.clone(),
                card.title.clone()
                    + if card.sample {
                        " (samples, not the benchmark)"
                    } else {
                        ""
                    },
            ]);
        }
        for index in 1..=3 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        print(&table.trim_fmt())
    }
}
