//! The table: pages, sorting, filters, tags; and its files.

mod support;

use std::collections::BTreeSet;

use bytes::Bytes;
use jeoul_record::envelope::{ModelType, Precision};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value as Json;
use support::{Person, Run, Server, on_each_engine};

/// Posts runs by three keys, of models that differ.
async fn filled(server: &Server, count: u64) {
    for seed in 0..count {
        let mut run = Run::new("open", seed, server.now_ms());
        let model = &mut run.envelope.model;
        model.parameters = 1_000_000 * (seed % 7 + 1);
        model.precision = if seed % 2 == 0 {
            Precision::Bits4
        } else {
            Precision::F16
        };
        model.kind = if seed % 3 == 0 {
            ModelType::Pretrained
        } else {
            ModelType::InstructionTuned
        };
        model.name = format!("Model_{seed}");
        model.merged = seed % 5 == 0;
        let person = Person::new((seed % 3) as u8);
        person.post(&server.client, run).await.1.expect(201);
    }
}

/// All rows, page by page.
async fn pages(server: &Server, query: &str, limit: usize) -> Vec<Json> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/boards/open?{query}&limit={limit}{after}");
        let page = server.client.get(&path).await.expect(200).json();
        let found = page["rows"].as_array().unwrap();
        assert!(found.len() <= limit);
        rows.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

#[test]
fn every_row_comes_once_whatever_the_order_and_the_page() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        filled(&server, 43).await;
        for sort in [
            "average",
            "stored",
            "model",
            "parameters",
            "trust",
            "task:colours",
        ] {
            for order in ["asc", "desc"] {
                for limit in [1, 7, 43, 100] {
                    let rows = pages(&server, &format!("sort={sort}&order={order}"), limit).await;
                    let ids: BTreeSet<&str> =
                        rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
                    assert_eq!((rows.len(), ids.len()), (43, 43), "{sort} {order} {limit}");
                    let key = |row: &Json| match sort {
                        "average" | "task:colours" => row["average"].as_f64().unwrap(),
                        "parameters" => row["model"]["parameters"].as_f64().unwrap(),
                        "stored" => row["stored_ms"].as_f64().unwrap(),
                        _ => 0.0,
                    };
                    let sorted = rows.windows(2).all(|pair| match order {
                        "asc" => key(&pair[0]) <= key(&pair[1]),
                        _ => key(&pair[0]) >= key(&pair[1]),
                    });
                    assert!(sorted, "{sort} {order}");
                }
            }
        }
        server.stop().await;
    });
}

#[test]
fn filters_keep_what_they_name() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        filled(&server, 42).await;
        let total = async |query: &str| {
            let path = format!("/api/boards/open?{query}");
            server.client.get(&path).await.expect(200).json()["total"]
                .as_u64()
                .unwrap()
        };
        assert_eq!(total("precision=F16").await, 21);
        assert_eq!(total("type=pretrained").await, 14);
        assert_eq!(total("type=pretrained&precision=F16").await, 7);
        assert_eq!(total("merged=true").await, 9);
        assert_eq!(total("parameters_min=6000000").await, 12);
        assert_eq!(total("parameters_max=1000000").await, 6);
        assert_eq!(total("search=mODEL_4").await, 3, "4, 40 and 41");
        assert_eq!(total("search=%25").await, 0, "a per cent sign is one");
        assert_eq!(total("search=%27%20OR%201%3D1").await, 0);
        assert_eq!(total("trust=consistent").await, 42);
        assert_eq!(total("trust=reproduced").await, 0);
        assert_eq!(total("tasks=colours").await, 42);
        assert_eq!(total("tasks=colours,arc_easy").await, 0);
        assert_eq!(total("sort=task:arc_easy").await, 0);
        assert_eq!(
            total(&format!("author={}", Person::new(1).key().author())).await,
            14
        );
        server.stop().await;
    });
}

#[test]
fn the_newest_run_of_an_author_stands_for_the_model() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let mut last = String::new();
        for seed in 0..3 {
            server.pass(1000);
            let mut run = Run::new("open", seed, server.now_ms());
            run.envelope.model.sha256 = "5e".repeat(32);
            last = Person::new(1).post(&server.client, run).await.0;
        }
        let rows = pages(&server, "latest=true", 100).await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["id"], last.as_str());
        assert_eq!(pages(&server, "latest=false", 100).await.len(), 3);
        let model = server
            .client
            .get(&format!("/api/models/{}", "5e".repeat(32)))
            .await
            .expect(200)
            .json();
        assert_eq!(model["total"], 3, "a model's page shows every attempt");
        server.stop().await;
    });
}

#[test]
fn who_has_a_table_already_is_told_so() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        filled(&server, 2).await;
        let first = server.client.get("/api/boards/open").await.expect(200);
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let ask = async |tag: &str| {
            server
                .client
                .send("GET", "/api/boards/open", &[("if-none-match", tag)], "")
                .await
        };
        assert!(ask(&tag).await.expect(304).body.is_empty());
        ask(&format!("\"x\", W/{tag}")).await.expect(304);
        Person::new(1)
            .post(&server.client, Run::new("open", 9, server.now_ms()))
            .await
            .1
            .expect(201);
        ask(&tag).await.expect(200);
        server.stop().await;
    });
}

#[test]
fn the_three_files_hold_the_same_rows() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        filled(&server, 25).await;
        let mut formula = Run::new("open", 100, server.now_ms());
        formula.envelope.model.name = "=HYPERLINK(1)".into();
        Person::new(1)
            .post(&server.client, formula)
            .await
            .1
            .expect(201);
        let file = async |format: &str| {
            let path = format!("/api/boards/open/export?format={format}");
            let answer = server.client.get(&path).await.expect(200);
            let disposition = answer.headers["content-disposition"].to_str().unwrap();
            assert_eq!(
                disposition,
                format!("attachment; filename=\"board-open.{format}\"")
            );
            answer.body
        };
        let lines = file("jsonl").await;
        let rows: Vec<Json> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 26);

        let text = file("csv").await;
        let mut reader = csv::Reader::from_reader(&text[..]);
        let names = reader.headers().unwrap().clone();
        let place = |name: &str| names.iter().position(|one| one == name).unwrap();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 26);
        for (record, row) in records.iter().zip(&rows) {
            assert_eq!(&record[place("id")], row["id"].as_str().unwrap());
            let score: f64 = record[place("task:colours")].parse().unwrap();
            assert_eq!(Some(score), row["average"].as_f64());
            assert!(!record[place("model")].starts_with('='));
        }
        assert!(
            records
                .iter()
                .any(|record| &record[place("model")] == "'=HYPERLINK(1)")
        );

        let packed: Bytes = file("parquet").await;
        let reader = SerializedFileReader::new(packed).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 26);
        for (found, row) in reader.get_row_iter(None).unwrap().zip(&rows) {
            let found = found.unwrap();
            let cell = |name: &str| {
                found
                    .get_column_iter()
                    .find(|(one, _)| *one == name)
                    .unwrap()
                    .1
                    .clone()
            };
            let text = |name: &str| Field::Str(row[name].as_str().unwrap().to_owned());
            assert_eq!(cell("id"), text("id"));
            assert_eq!(
                cell("average"),
                Field::Double(row["average"].as_f64().unwrap())
            );
            assert_eq!(
                cell("model"),
                Field::Str(row["model"]["name"].as_str().unwrap().to_owned()),
                "Parquet is no spreadsheet"
            );
            assert_eq!(
                cell("merged"),
                Field::Bool(row["model"]["merged"].as_bool().unwrap())
            );
            assert_eq!(cell("adapter"), Field::Null);
        }
        server.stop().await;
    });
}

#[test]
fn an_empty_board_has_empty_files() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let get = async |format: &str| {
            server
                .client
                .get(&format!("/api/boards/open/export?format={format}"))
                .await
                .expect(200)
                .body
        };
        assert!(get("jsonl").await.is_empty());
        assert!(get("csv").await.starts_with(b"id,board,author,"));
        assert_eq!(
            SerializedFileReader::new(get("parquet").await)
                .unwrap()
                .metadata()
                .file_metadata()
                .num_rows(),
            0
        );
        server.stop().await;
    });
}

/// Browsers ask for compressed files.
#[test]
fn a_compressed_file_comes_to_its_end() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        filled(&server, 30).await;
        for format in ["csv", "jsonl"] {
            let path = format!("/api/boards/open/export?format={format}");
            let plain = server.client.get(&path).await.expect(200).body;
            let gzip = [("accept-encoding", "gzip")];
            let packed = server.client.send("GET", &path, &gzip, Bytes::new()).await;
            assert_eq!(packed.headers["content-encoding"], "gzip");
            // RFC 1952: the last four bytes are the length of what was packed.
            let end = packed.body.last_chunk::<4>().unwrap();
            assert_eq!(u32::from_le_bytes(*end) as usize, plain.len(), "{format}");
        }
        server.stop().await;
    });
}

#[test]
fn a_name_that_looks_like_an_earlier_one_of_another_file_says_so() {
    on_each_engine(async |database| {
        let mut server = Server::start(database).await;
        let mut ids = Vec::new();
        let names = ["SmolLM2", "SmоlLM2", "SmolLM2", "SmoILM2", "Smollm3"];
        for (seed, (name, file)) in names.into_iter().zip(["a", "b", "c", "a", "d"]).enumerate() {
            let mut run = Run::new("open", seed as u64, server.now_ms());
            run.envelope.model.name = name.to_owned();
            run.envelope.model.sha256 = file.repeat(64);
            let (id, answer) = Person::new(1).post(&server.client, run).await;
            answer.expect(201);
            ids.push(id);
            server.pass(1000);
        }
        let looks = async |id: &String| {
            let path = format!("/api/submissions/{id}");
            let row = server.client.get(&path).await.expect(200).json();
            row["model"]["looks_like"].as_str().map(str::to_owned)
        };
        // The first of its look; Cyrillic `о`; the first one's name for another file; another name for the first one's file.
        for (id, expected) in ids.iter().zip([None, Some("SmolLM2"), None, None, None]) {
            assert_eq!(looks(id).await.as_deref(), expected);
        }
        let table = pages(&server, "sort=model", 100).await;
        let marked: Vec<&str> = table
            .iter()
            .filter_map(|row| row["model"]["looks_like"].as_str())
            .collect();
        assert_eq!(marked, ["SmolLM2"]);
        // A name that is gone is said of nobody.
        for id in [&ids[0], &ids[2]] {
            let path = format!("/api/submissions/{id}");
            let answer = Person::new(1)
                .ask(&server.client, "DELETE", &path, &Json::Null)
                .await;
            answer.expect(204);
        }
        assert_eq!(looks(&ids[1]).await, None);
        server.stop().await;
    });
}
