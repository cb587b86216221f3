//! Tables: the runs of a board page by page, and every run of a model.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jeoul_record::TrustLabel;
use serde::{Deserialize, Serialize};

use super::body::{Path, Query};
use super::caller::Caller;
use super::headers::tagged;
use super::row::{TableRow, place};
use crate::access;
use crate::board::Board;
use crate::problem::Problem;
use crate::store::query::{Cursor, Field, Sort, TableQuery};

/// Most rows of a page.
const PAGE_MAX: i64 = 1_000;
/// Rows of a page, if nothing is said.
const PAGE: i64 = 100;
/// Most tasks that rows can be asked to have.
const TASKS_MAX: usize = 100;
/// Most runs that a model's page shows.
const RUNS_MAX: i64 = 1_000;

/// Which rows, in which order. All fields may be left out.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// `average` (the default), `stored`, `model`, `parameters`, `trust` or `task:NAME`.
    #[param(pattern = "^(average|stored|model|parameters|trust|task:.+)$")]
    sort: Option<String>,
    /// `desc` (the default) or `asc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Rows of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `next` of the page before.
    #[param(pattern = "^([0-9a-f]{2})+$")]
    after: Option<String>,
    /// Names of tasks, with commas; only rows with all of them, and the average over them.
    tasks: Option<String>,
    /// Part of the model's name.
    search: Option<String>,
    /// How the model was trained.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Precision of the weights.
    precision: Option<String>,
    /// Type of most weights.
    quantization: Option<String>,
    /// Architecture.
    architecture: Option<String>,
    /// Licence.
    licence: Option<String>,
    /// Lane.
    lane: Option<String>,
    /// Author id.
    author: Option<String>,
    /// SHA-256 of the model's file.
    model: Option<String>,
    /// Whether the model was merged.
    merged: Option<bool>,
    /// Whether the model is on the hub.
    on_hub: Option<bool>,
    /// Lowest trust label.
    #[param(pattern = "^(self-reported|consistent|reproduced|verified)$")]
    trust: Option<String>,
    /// Fewest weights.
    parameters_min: Option<i64>,
    /// Most weights.
    parameters_max: Option<i64>,
    /// Only the newest run of each author and model.
    latest: Option<bool>,
}

/// A page of a table.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TablePage {
    /// The rows.
    rows: Vec<TableRow>,
    /// What `after` of the next page is; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Rows on all pages; on the first page alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

/// The public boards.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Boards {
    /// Their ids; posts that name none go to the first.
    boards: Vec<String>,
}

/// A fault of the query: its pointer names the field.
fn bad(field: &str, allowed: &str) -> Problem {
    let detail = format!("`{field}`: allowed is {allowed}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-query", detail).at(format!("/{field}"))
}

impl Asked {
    /// The query for `board`.
    pub(crate) fn query(self, board: &str, hidden: bool) -> Result<TableQuery, Problem> {
        let sort = match self.sort.as_deref().unwrap_or("average") {
            "average" => Sort::Average,
            "stored" => Sort::Stored,
            "model" => Sort::Model,
            "parameters" => Sort::Parameters,
            "trust" => Sort::Trust,
            other => match other.strip_prefix("task:") {
                Some(task) if !task.is_empty() => Sort::Task(task.to_owned()),
                _ => {
                    return Err(bad(
                        "sort",
                        "average, stored, model, parameters, trust or task:NAME",
                    ));
                }
            },
        };
        let ascending = match self.order.as_deref().unwrap_or("desc") {
            "desc" => false,
            "asc" => true,
            _ => return Err(bad("order", "asc or desc")),
        };
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(bad("limit", "1 to 1000"));
        }
        let cursor = |text: String| {
            Cursor::parse(&text).ok_or_else(|| bad("after", "`next` of a page with this sort"))
        };
        let after = self.after.map(cursor).transpose()?;
        let mut tasks: Vec<String> = match &self.tasks {
            Some(names) => names.split(',').map(str::to_owned).collect(),
            None => Vec::new(),
        };
        tasks.sort();
        tasks.dedup();
        if tasks.len() > TASKS_MAX {
            return Err(bad("tasks", "up to 100 names"));
        }
        let mut equal = Vec::new();
        for (column, value) in [
            ("kind", self.kind),
            ("precision", self.precision),
            ("quantization", self.quantization),
            ("architecture", self.architecture),
            ("licence", self.licence),
            ("lane", self.lane),
            ("author", self.author),
            ("model_hash", self.model),
        ] {
            equal.extend(value.map(|text| (column, Field::Text(text))));
        }
        for (column, value) in [("merged", self.merged), ("on_hub", self.on_hub)] {
            equal.extend(value.map(|truth| (column, Field::Integer(i64::from(truth)))));
        }
        let labels = [
            TrustLabel::SelfReported,
            TrustLabel::Consistent,
            TrustLabel::Reproduced,
            TrustLabel::Verified,
        ];
        let mut at_least = Vec::new();
        if let Some(name) = &self.trust {
            let label = labels.into_iter().find(|label| label.as_str() == name);
            let label = label
                .ok_or_else(|| bad("trust", "self-reported, consistent, reproduced or verified"))?;
            at_least.push(("trust", place(label)));
        }
        at_least.extend(self.parameters_min.map(|count| ("parameters", count)));
        let query = TableQuery {
            board: board.to_owned(),
            sort,
            ascending,
            limit,
            after,
            tasks,
            search: self.search,
            equal,
            at_least,
            at_most: self
                .parameters_max
                .map(|count| ("parameters", count))
                .into_iter()
                .collect(),
            latest: self.latest.unwrap_or(false),
            hidden,
        };
        // PostgreSQL has no NUL in text.
        if query.texts().any(|text| text.contains('\0')) {
            return Err(bad("", "text without NUL"));
        }
        Ok(query)
    }
}

/// Names of the public boards.
#[utoipa::path(get, path = "/api/boards", tag = "tables", responses((status = 200, body = Boards)))]
pub(crate) async fn boards(State(board): State<Board>, headers: HeaderMap) -> Response {
    let boards = board.inner.config.boards.clone();
    tagged(&headers, &Boards { boards })
}

/// A page of a board's table.
#[utoipa::path(get, path = "/api/boards/{board}", tag = "tables", params(("board" = String, Path), Asked),
    responses((status = 200, body = TablePage), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn table(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = access::see(&board, &caller, &id).await?;
    let query = asked.query(&id, seen.hidden)?;
    let _heavy = if query.reads_all() {
        board.heavy().await
    } else {
        None
    };
    let page = board.store().table(&query).await?;
    let page = page.ok_or_else(|| bad("after", "`next` of a page with this sort"))?;
    let page = TablePage {
        rows: page.rows.into_iter().map(TableRow::new).collect(),
        next: page.next.map(|cursor| cursor.text()),
        total: page.total,
    };
    Ok(tagged(&headers, &page))
}

/// Every run of a model that the caller may see, newest first, up to 1000.
#[utoipa::path(get, path = "/api/models/{hash}", tag = "tables", params(("hash" = String, Path, description = "SHA-256 of the file")),
    responses((status = 200, body = TablePage), (status = 304), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn model(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !crate::secret::is_hex(&hash, 64) {
        return Err(Problem::not_found());
    }
    let mut rows = Vec::new();
    let mut boards: Vec<(String, bool)> = Vec::new();
    for row in board.store().runs_of_model(&hash, RUNS_MAX).await? {
        let known = boards.iter().find(|(name, _)| *name == row.board);
        let may = match known {
            Some((_, may)) => *may,
            None => {
                let may = match access::see(&board, &caller, &row.board).await {
                    Ok(_) => true,
                    Err(problem) if problem.status() == StatusCode::NOT_FOUND => false,
                    Err(problem) => return Err(problem),
                };
                boards.push((row.board.clone(), may));
                may
            }
        };
        if may {
            rows.push(TableRow::new(row));
        }
    }
    if rows.is_empty() {
        return Err(Problem::not_found());
    }
    let total = Some(rows.len() as i64);
    Ok(tagged(
        &headers,
        &TablePage {
            rows,
            next: None,
            total,
        },
    ))
}
