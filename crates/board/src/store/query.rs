//! The table: filters, sorting and pages over the runs of a board.
//!
//! A page goes on after the last row of the one before (a cursor of sort key and id), so that page 1,000 costs what page 1
//! does, and a row that comes in between shifts nothing. What a caller types is only ever bound, never part of the query.

use serde_json::Value as Json;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, FromRow, Row};

use super::submissions::{COLUMNS, Submission};
use super::{Store, StoreError};

/// Where runs without an average stand: after all others. As in the index `submissions_average`.
const AVERAGE: &str = "COALESCE(average, -1e300)";

/// What a table is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Average,
    Stored,
    Model,
    Parameters,
    Trust,
    /// The main metric of this task; runs without it are left out.
    Task(String),
}

/// Place after which a page begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) key: Json,
    pub(crate) id: String,
}

impl Cursor {
    /// As text for an address; [`Self::parse`] reads it.
    pub(crate) fn text(&self) -> String {
        let json = Json::from(vec![self.key.clone(), Json::from(self.id.as_str())]);
        jeoul_record::canonical::hex(json.to_string().as_bytes())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let (key, id): (Json, String) = serde_json::from_slice(&bytes?).ok()?;
        (key.is_number() || key.is_string()).then_some(Self { key, id })
    }
}

/// Which runs, in which order.
#[derive(Clone, Debug)]
pub(crate) struct TableQuery {
    pub(crate) board: String,
    pub(crate) sort: Sort,
    pub(crate) ascending: bool,
    pub(crate) limit: i64,
    pub(crate) after: Option<Cursor>,
    /// Only runs with all of these tasks; the average is then over them.
    pub(crate) tasks: Vec<String>,
    /// Part of the model's name; ASCII letters in either case.
    pub(crate) search: Option<String>,
    /// Columns that must have a value.
    pub(crate) equal: Vec<(&'static str, Field)>,
    /// Columns that must have at least, or at most, a value.
    pub(crate) at_least: Vec<(&'static str, i64)>,
    pub(crate) at_most: Vec<(&'static str, i64)>,
    /// Only the newest run of each author and model.
    pub(crate) latest: bool,
    /// Hidden runs too.
    pub(crate) hidden: bool,
}

/// A value to bind.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    Text(String),
    Integer(i64),
    Real(f64),
}

/// A page of a table.
pub(crate) struct Page {
    pub(crate) rows: Vec<Submission>,
    /// Where the next page begins; `None` on the last.
    pub(crate) next: Option<Cursor>,
    /// Runs on all pages; counted with the first alone.
    pub(crate) total: Option<i64>,
}

/// A query and what is bound to it.
#[derive(Default)]
struct Sql {
    text: String,
    fields: Vec<Field>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, field: Field) {
        self.fields.push(field);
        self.text.push_str(&format!("${}", self.fields.len()));
    }

    fn and(&mut self, column: &str, comparison: &str, field: Field) {
        self.push(&format!(" AND {column} {comparison} "));
        self.bind(field);
    }

    fn query(self) -> Query<'static, Any, AnyArguments> {
        // The text is made of this module's own words; values are bound.
        let query = sqlx::query(sqlx::AssertSqlSafe(self.text));
        self.fields
            .into_iter()
            .fold(query, |query, field| match field {
                Field::Text(text) => query.bind(text),
                Field::Integer(integer) => query.bind(integer),
                Field::Real(real) => query.bind(real),
            })
    }
}

impl TableQuery {
    /// What a caller typed.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let equal = self.equal.iter().filter_map(|(_, field)| match field {
            Field::Text(text) => Some(text.as_str()),
            Field::Integer(_) | Field::Real(_) => None,
        });
        let sort = match &self.sort {
            Sort::Task(task) => Some(task.as_str()),
            _ => None,
        };
        let cursor = self
            .after
            .iter()
            .flat_map(|cursor| [Some(cursor.id.as_str()), cursor.key.as_str()])
            .flatten();
        let tasks = self.tasks.iter().map(String::as_str);
        equal
            .chain(sort)
            .chain(cursor)
            .chain(tasks)
            .chain(self.search.as_deref())
    }

    /// Whether no index serves it, so that it reads the whole table: 0.1 to 0.5 s at 100,000 rows.
    pub(crate) fn reads_all(&self) -> bool {
        let indexed = match self.sort {
            Sort::Average => self.tasks.is_empty(),
            Sort::Stored | Sort::Model | Sort::Task(_) => true,
            Sort::Parameters | Sort::Trust => false,
        };
        !indexed || self.search.is_some()
    }

    /// The expression that the table is sorted by.
    fn key(&self) -> &'static str {
        match self.sort {
            Sort::Average if self.tasks.is_empty() => AVERAGE,
            Sort::Average => "picked.mean",
            Sort::Stored => "stored_ms",
            Sort::Model => "model_name",
            Sort::Parameters => "parameters",
            Sort::Trust => "trust",
            Sort::Task(_) => "scores.value",
        }
    }

    /// `FROM` and `WHERE`, without the cursor.
    fn conditions(&self, sql: &mut Sql) {
        sql.push(" FROM submissions");
        if let Sort::Task(task) = &self.sort {
            sql.push(" JOIN scores ON scores.submission = submissions.id AND scores.board = ");
            sql.bind(Field::Text(self.board.clone()));
            sql.and("scores.task", "=", Field::Text(task.clone()));
        }
        if !self.tasks.is_empty() {
            sql.push(" JOIN (SELECT submission, AVG(value) AS mean FROM scores WHERE board = ");
            sql.bind(Field::Text(self.board.clone()));
            sql.push(" AND task IN (");
            for (index, task) in self.tasks.iter().enumerate() {
                sql.push(if index == 0 { "" } else { ", " });
                sql.bind(Field::Text(task.clone()));
            }
            sql.push(") GROUP BY submission HAVING COUNT(*) = ");
            sql.bind(Field::Integer(self.tasks.len() as i64));
            sql.push(") picked ON picked.submission = submissions.id");
        }
        sql.push(" WHERE submissions.board = ");
        sql.bind(Field::Text(self.board.clone()));
        sql.push(" AND deleted_ms IS NULL");
        if !self.hidden {
            sql.push(" AND hidden = 0");
        }
        for (column, value) in &self.equal {
            sql.and(column, "=", value.clone());
        }
        for (column, value) in &self.at_least {
            sql.and(column, ">=", Field::Integer(*value));
        }
        for (column, value) in &self.at_most {
            sql.and(column, "<=", Field::Integer(*value));
        }
        if let Some(search) = &self.search {
            let plain = search.to_ascii_lowercase().replace('\\', "\\\\");
            let plain = plain.replace('%', "\\%").replace('_', "\\_");
            sql.and(
                "LOWER(model_name)",
                "LIKE",
                Field::Text(format!("%{plain}%")),
            );
            sql.push(" ESCAPE '\\'");
        }
        if self.latest {
            sql.push(
                " AND NOT EXISTS (SELECT 1 FROM submissions newer WHERE newer.author = submissions.author \
                 AND newer.board = submissions.board AND newer.model_hash = submissions.model_hash \
                 AND newer.deleted_ms IS NULL AND newer.stored_ms > submissions.stored_ms)",
            );
        }
    }

    fn page(&self) -> Option<Sql> {
        let key = self.key();
        let mut sql = Sql::default();
        let mean = if self.tasks.is_empty() {
            "average"
        } else {
            "picked.mean"
        };
        // The key under a name of its own, for the cursor.
        let columns = COLUMNS.replace("average", &format!("{mean} AS average"));
        let columns = columns.replacen(
            "id, board",
            "submissions.id AS id, submissions.board AS board",
            1,
        );
        sql.push(&format!("SELECT {columns}, {key} AS sort_key"));
        self.conditions(&mut sql);
        let (beyond, order) = if self.ascending {
            (">", "ASC")
        } else {
            ("<", "DESC")
        };
        if let Some(cursor) = &self.after {
            let value = self.cursor_value(cursor)?;
            // The first half is what an index can begin at.
            sql.and(key, &format!("{beyond}="), value.clone());
            sql.push(&format!(" AND ({key} {beyond} "));
            sql.bind(value);
            sql.push(&format!(" OR submissions.id {beyond} "));
            sql.bind(Field::Text(cursor.id.clone()));
            sql.push(")");
        }
        sql.push(&format!(
            " ORDER BY {key} {order}, submissions.id {order} LIMIT "
        ));
        sql.bind(Field::Integer(self.limit + 1));
        Some(sql)
    }

    /// The cursor's key as this sort compares it; `None` if it is of another.
    fn cursor_value(&self, cursor: &Cursor) -> Option<Field> {
        match self.sort {
            Sort::Average | Sort::Task(_) => cursor.key.as_f64().map(Field::Real),
            Sort::Stored | Sort::Parameters | Sort::Trust => {
                cursor.key.as_i64().map(Field::Integer)
            }
            Sort::Model => cursor.key.as_str().map(|text| Field::Text(text.to_owned())),
        }
    }

    fn key_of(&self, row: &AnyRow) -> Result<Json, sqlx::Error> {
        Ok(match self.sort {
            Sort::Average | Sort::Task(_) => row.try_get::<f64, _>("sort_key")?.into(),
            Sort::Stored | Sort::Parameters | Sort::Trust => {
                row.try_get::<i64, _>("sort_key")?.into()
            }
            Sort::Model => row.try_get::<String, _>("sort_key")?.into(),
        })
    }
}

impl Store {
    /// Names of the tasks that runs of a board have, in order.
    pub(crate) async fn tasks_of(
        &self,
        board: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT task FROM scores WHERE board = $1 ORDER BY task LIMIT $2")
                .bind(board)
                .bind(limit)
                .fetch_all(self.pool())
                .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// A page of a table; `None` if the cursor is another sort's.
    pub(crate) async fn table(&self, query: &TableQuery) -> Result<Option<Page>, StoreError> {
        let Some(sql) = query.page() else {
            return Ok(None);
        };
        let mut found = sql.query().fetch_all(self.pool()).await?;
        let limit = usize::try_from(query.limit).unwrap_or(0);
        let more = found.len() > limit;
        found.truncate(limit);
        let mut next = None;
        if let Some(last) = found.last().filter(|_| more) {
            next = Some(Cursor {
                key: query.key_of(last)?,
                id: last.try_get("id")?,
            });
        }
        let total = match query.after {
            Some(_) => None,
            None => {
                let mut sql = Sql::default();
                sql.push("SELECT COUNT(*)");
                query.conditions(&mut sql);
                Some(sql.query().fetch_one(self.pool()).await?.try_get(0)?)
            }
        };
        let rows = found
            .iter()
            .map(Submission::from_row)
            .collect::<Result<_, _>>()?;
        Ok(Some(Page { rows, next, total }))
    }
}
