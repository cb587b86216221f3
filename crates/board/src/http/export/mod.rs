//! A table as a file: CSV for spreadsheets, JSON Lines for programs, Parquet for both at 100,000 rows.
//!
//! CSV and JSON Lines are written page by page as they are read, so that an export costs the server a page of memory.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;

mod columns;
mod parquet;

use self::columns::{Cell, Column, cells, columns};
use super::body::{Path, Query};
use super::caller::Caller;
use super::row::TableRow;
use super::tables::Asked;
use crate::access;
use crate::board::Board;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::store::query::TableQuery;

/// Rows that are read at once.
const STEP: i64 = 1_000;
/// Most tasks that have a column of their own.
const TASK_COLUMNS_MAX: i64 = 500;

/// A kind of file.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Csv,
    Jsonl,
    Parquet,
}

/// Which file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    format: Format,
}

/// A table as a file, sorted by time, newest first. In CSV a cell that a spreadsheet would compute begins with `'`.
#[utoipa::path(get, path = "/api/boards/{board}/export", tag = "tables",
    params(("board" = String, Path), ("format" = Format, Query, description = "kind of file")),
    responses((status = 200, description = "the file", content(
            (Vec<u8> = "text/csv; charset=utf-8"), (Vec<u8> = "application/jsonl"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn export(
    State(board): State<Board>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    access::see(&board, &caller, &id).await?;
    // Hidden runs stay out, whoever asks: files are passed on.
    let mut query = Asked::default().query(&id, false)?;
    query.sort = crate::store::query::Sort::Stored;
    query.limit = STEP;
    let (body, kind, ending) = match wanted.format {
        Format::Jsonl => (
            pages(board, query, Arc::new([]), jsonl),
            "application/jsonl",
            "jsonl",
        ),
        Format::Csv => {
            let tasks = board.store().tasks_of(&id, TASK_COLUMNS_MAX).await?;
            (
                pages(board, query, columns(&tasks).into(), csv_page),
                "text/csv; charset=utf-8",
                "csv",
            )
        }
        Format::Parquet => {
            let tasks = board.store().tasks_of(&id, TASK_COLUMNS_MAX).await?;
            (
                packed(&board, query, columns(&tasks)).await?,
                "application/vnd.apache.parquet",
                "parquet",
            )
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) =
        HeaderValue::from_str(&format!("attachment; filename=\"board-{id}.{ending}\""))
    {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Writes a page; the flag says whether it is the first.
type Write = fn(&[TableRow], &[Column], bool) -> Vec<u8>;

/// A body that is read and written page by page.
fn pages(board: Board, query: TableQuery, columns: Arc<[Column]>, write: Write) -> Body {
    let state = (board, Some(query), true);
    let pages = stream::unfold(state, move |(board, query, first)| {
        let columns = Arc::clone(&columns);
        async move {
            let mut query = query?;
            match next(&board, &mut query).await {
                Ok((rows, more)) => {
                    let bytes = Bytes::from(write(&rows, &columns, first));
                    Some((
                        Ok::<_, StoreError>(bytes),
                        (board, more.then_some(query), false),
                    ))
                }
                // The connection is cut, so that half a file does not look like a whole one.
                Err(error) => Some((Err(error), (board, None, false))),
            }
        }
    });
    // Compression asks once more after the end.
    Body::from_stream(pages.fuse())
}

/// The next page of `query`, which then stands at the one after it.
async fn next(board: &Board, query: &mut TableQuery) -> Result<(Vec<TableRow>, bool), StoreError> {
    let Some(page) = board.store().table(query).await? else {
        return Ok((Vec::new(), false));
    };
    query.after = page.next;
    let rows = page.rows.into_iter().map(TableRow::new).collect();
    Ok((rows, query.after.is_some()))
}

fn jsonl(rows: &[TableRow], _: &[Column], _: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        if serde_json::to_writer(&mut bytes, row).is_ok() {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn csv_page(rows: &[TableRow], columns: &[Column], first: bool) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    if first {
        let _ = writer.write_record(columns.iter().map(|column| plain(&column.name)));
    }
    for row in rows {
        let record = cells(columns, row).into_iter().map(|cell| match cell {
            Cell::Text(text) => plain(&text),
            Cell::Integer(integer) => integer.to_string(),
            Cell::Real(real) => real.to_string(),
            Cell::Truth(truth) => truth.to_string(),
            Cell::Empty => String::new(),
        });
        let _ = writer.write_record(record);
    }
    writer.into_inner().unwrap_or_default()
}

/// Text that no spreadsheet takes for a formula.
fn plain(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A whole table as Parquet, which is written column by column and so needs all rows at once.
async fn packed(
    board: &Board,
    mut query: TableQuery,
    columns: Vec<Column>,
) -> Result<Body, Problem> {
    let _heavy = board.heavy().await;
    let mut values: Vec<Vec<Cell>> = columns.iter().map(|_| Vec::new()).collect();
    loop {
        let (rows, more) = next(board, &mut query).await?;
        for row in &rows {
            for (values, cell) in values.iter_mut().zip(cells(&columns, row)) {
                values.push(cell);
            }
        }
        if !more {
            break;
        }
    }
    let written = tokio::task::spawn_blocking(move || parquet::write(&columns, values)).await;
    match written {
        Ok(Ok(bytes)) => Ok(Body::from(bytes)),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(error) => Err(failed(&error.to_string())),
    }
}

fn failed(error: &str) -> Problem {
    tracing::error!(error, "an export failed");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "unwritable",
        "the file cannot be written",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("+cmd", "'+cmd"),
            ("\tx", "'\tx"),
            ("SmolLM2-135M", "SmolLM2-135M"),
            ("", ""),
        ] {
            assert_eq!(plain(text), safe);
        }
    }
}
