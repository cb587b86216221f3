//! Hostile texts as a model's name: refused with the code that the shared list says, or shown as they are, and in CSV as text.

mod support;

use serde_json::Value as Json;
use support::{Person, Run, Server, on_each_engine};

#[test]
fn hostile_names_are_refused_or_shown_as_they_are() {
    let list = include_str!("../../../tests/board/hostile.json");
    let list: Json = serde_json::from_str(list).unwrap();
    let texts = list["texts"].as_array().unwrap();
    assert!(texts.len() >= 150);
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut shown = Vec::new();
        for (seed, one) in texts.iter().enumerate() {
            let (text, expected) = (one["text"].as_str().unwrap(), one["name"].as_str().unwrap());
            let mut run = Run::new("open", seed as u64, server.now_ms());
            run.envelope.model.name = text.to_owned();
            let (id, answer) = Person::new(1).post(&server.client, run).await;
            if expected == "ok" {
                answer.expect(201);
                let row = server
                    .client
                    .get(&format!("/api/submissions/{id}"))
                    .await
                    .expect(200);
                assert_eq!(row.headers["content-type"], "application/json");
                assert_eq!(row.json()["model"]["name"], text);
                shown.push((id, text));
            } else {
                let found = answer.code();
                assert_eq!(found, expected, "{text:?}");
                assert_eq!(answer.expect(422).json()["pointer"], "/envelope/model/name");
            }
        }
        let file = server
            .client
            .get("/api/boards/open/export?format=csv")
            .await
            .expect(200)
            .body;
        let mut reader = csv::Reader::from_reader(&file[..]);
        let place = reader
            .headers()
            .unwrap()
            .iter()
            .position(|name| name == "model")
            .unwrap();
        let mut rows = 0;
        for record in reader.records() {
            let record = record.unwrap();
            let (_, text) = shown.iter().find(|(id, _)| *id == record[0]).unwrap();
            let cell = &record[place];
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell:?}"
            );
            assert_eq!(
                cell.strip_prefix('\'')
                    .filter(|_| !text.starts_with('\''))
                    .unwrap_or(cell),
                *text
            );
            rows += 1;
        }
        assert_eq!(rows, shown.len());
        server.stop().await;
    });
}
