//! The tables of a board as a transfer writes and reads them. A column that a migration adds is added here, too; a test compares.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use self::Kind::{Bytes, Integer, Real, Text};
use super::TransferError;

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    Real,
    Bytes,
}

/// A table: its name, the columns that order it, and all its columns.
pub(super) struct Table {
    pub(super) name: &'static str,
    order: &'static str,
    columns: &'static [(&'static str, Kind)],
}

/// Every table but `sessions`, in an order in which they can be filled.
pub(super) const TABLES: [Table; 11] = [
    Table {
        name: "blobs",
        order: "hash",
        columns: &[("hash", Text), ("size_bytes", Integer), ("bytes", Bytes)],
    },
    Table {
        name: "submissions",
        order: "id",
        columns: &[
            ("id", Text),
            ("board", Text),
            ("author", Text),
            ("nonce", Text),
            ("stored_ms", Integer),
            ("log", Text),
            ("model_name", Text),
            ("model_hash", Text),
            ("model_bytes", Integer),
            ("quantization", Text),
            ("architecture", Text),
            ("parameters", Integer),
            ("licence", Text),
            ("kind", Text),
            ("precision", Text),
            ("merged", Integer),
            ("on_hub", Integer),
            ("lane", Text),
            ("adapter", Text),
            ("engine", Text),
            ("module_sha256", Text),
            ("average", Real),
            ("scores", Text),
            ("trust", Integer),
            ("own_trust", Integer),
            ("disputed", Integer),
            ("flags", Integer),
            ("hidden", Integer),
            ("deleted_ms", Integer),
            ("restored_ms", Integer),
            ("model_skeleton", Text),
        ],
    },
    Table {
        name: "scores",
        order: "submission, task",
        columns: &[
            ("submission", Text),
            ("board", Text),
            ("task", Text),
            ("value", Real),
        ],
    },
    Table {
        name: "tombstones",
        order: "id",
        columns: &[("id", Text), ("at_ms", Integer)],
    },
    Table {
        name: "rooms",
        order: "id",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("code_hash", Text),
            ("presenter_hash", Text),
            ("opened_by", Text),
            ("opened_ms", Integer),
            ("expires_ms", Integer),
            ("capacity", Integer),
            ("frozen", Integer),
            ("closed", Integer),
            ("published", Integer),
        ],
    },
    Table {
        name: "members",
        order: "token_hash",
        columns: &[
            ("token_hash", Text),
            ("room", Text),
            ("author", Text),
            ("joined_ms", Integer),
            ("revoked", Integer),
        ],
    },
    Table {
        name: "checks",
        order: "id",
        columns: &[
            ("id", Text),
            ("submission", Text),
            ("author", Text),
            ("drawn", Text),
            ("seed", Text),
            ("drawn_ms", Integer),
            ("done_ms", Integer),
            ("verdict", Text),
            ("detail", Text),
        ],
    },
    Table {
        name: "flags",
        order: "submission, author",
        columns: &[
            ("submission", Text),
            ("author", Text),
            ("reason", Text),
            ("link", Text),
            ("note", Text),
            ("at_ms", Integer),
            ("counts", Integer),
            ("dismissed", Integer),
        ],
    },
    Table {
        name: "appeals",
        order: "submission",
        columns: &[
            ("submission", Text),
            ("note", Text),
            ("at_ms", Integer),
            ("answered_ms", Integer),
        ],
    },
    Table {
        name: "moderators",
        order: "id",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("token_hash", Text),
            ("author", Text),
            ("created_ms", Integer),
            ("revoked", Integer),
        ],
    },
    Table {
        name: "audit",
        order: "number",
        columns: &[
            ("number", Integer),
            ("at_ms", Integer),
            ("actor", Text),
            ("action", Text),
            ("object", Text),
            ("detail", Text),
            ("previous", Text),
            ("hash", Text),
        ],
    },
];

impl Table {
    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// Reads all rows, in order.
    pub(super) fn select(&self) -> String {
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            self.names(),
            self.name,
            self.order
        )
    }

    /// A row; columns that hold nothing are left out.
    pub(super) fn json(&self, row: &AnyRow) -> Result<Json, sqlx::Error> {
        let mut json = Map::new();
        json.insert("table".to_owned(), self.name.into());
        for (index, (name, kind)) in self.columns.iter().enumerate() {
            let value: Option<Json> = match kind {
                Text => row.try_get::<Option<String>, _>(index)?.map(Json::from),
                Integer => row.try_get::<Option<i64>, _>(index)?.map(Json::from),
                Real => row.try_get::<Option<f64>, _>(index)?.map(Json::from),
                Bytes => row
                    .try_get::<Option<Vec<u8>>, _>(index)?
                    .map(|bytes| BASE64.encode(bytes).into()),
            };
            if let Some(value) = value {
                json.insert((*name).to_owned(), value);
            }
        }
        Ok(json.into())
    }

    /// Inserts a row that [`Self::json`] wrote; `bad` makes an error of what is wrong with it.
    pub(super) async fn insert(
        &self,
        json: &Json,
        connection: &mut AnyConnection,
        bad: impl Fn(String) -> TransferError,
    ) -> Result<(), TransferError> {
        let numbers: Vec<String> = (1..=self.columns.len())
            .map(|number| format!("${number}"))
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            self.names(),
            numbers.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (name, kind) in self.columns {
            let value = json.get(name);
            let wrong = || bad(format!("`{name}` is of another type"));
            query = match kind {
                Text => query.bind(
                    value
                        .map(|value| value.as_str().ok_or_else(wrong))
                        .transpose()?
                        .map(str::to_owned),
                ),
                Integer => query.bind(
                    value
                        .map(|value| value.as_i64().ok_or_else(wrong))
                        .transpose()?,
                ),
                Real => query.bind(
                    value
                        .map(|value| value.as_f64().ok_or_else(wrong))
                        .transpose()?,
                ),
                Bytes => {
                    let text = value
                        .map(|value| value.as_str().ok_or_else(wrong))
                        .transpose()?;
                    query.bind(
                        text.map(|text| BASE64.decode(text).map_err(|_| wrong()))
                            .transpose()?,
                    )
                }
            };
        }
        query
            .execute(connection)
            .await
            .map_err(|error| bad(error.to_string()))?;
        Ok(())
    }
}
