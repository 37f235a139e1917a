//! The events of one export: server-sent events, over as many connections as it takes.

use std::time::Duration;

use reqwest::{Method, Response, header};

use super::{Client, check_status};
use crate::client::Export;
use crate::error::{Context, Error, Result};

/// The pause before a broken stream is opened again. It doubles each time, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How often in a row a stream may break without an event.
const MAX_FAILURES: u32 = 10;

impl Client {
    /// Calls `on_change` at every change of an export, first with its present state. Returns it once it has ended.
    pub(crate) async fn watch(
        &self,
        id: &str,
        mut on_change: impl FnMut(&Export),
    ) -> Result<Export> {
        let (mut pause, mut failures) = (PAUSE, 0);
        loop {
            let mut has_event = false;
            let watched = self.watch_once(id, |export| {
                has_event = true;
                on_change(export);
            });
            match watched.await {
                Ok(Some(ended)) => return Ok(ended),
                Err(error @ (Error::NotFound { .. } | Error::Refused { .. })) => return Err(error),
                Err(error) if failures >= MAX_FAILURES => return Err(error),
                // A break of the connection, or a restart of the API.
                Ok(None) | Err(_) => {}
            }
            if has_event {
                (pause, failures) = (PAUSE, 0);
            } else {
                failures += 1;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// `None`: the stream has ended before the export.
    async fn watch_once(
        &self,
        id: &str,
        mut on_change: impl FnMut(&Export),
    ) -> Result<Option<Export>> {
        let request = self.request(Method::GET, &format!("/v1/exports/{id}/events"));
        let request = request.header(header::ACCEPT, "text/event-stream");
        let mut events = Events::of(check_status(self.send(request).await?).await?);
        while let Some(data) = events.next().await? {
            let export: Export =
                serde_json::from_str(&data).context("an event of the API is invalid")?;
            on_change(&export);
            if export.has_ended() {
                return Ok(Some(export));
            }
        }
        Ok(None)
    }
}

/// The data of the events of a stream.
struct Events {
    response: Response,
    received: Vec<u8>,
}

impl Events {
    fn of(response: Response) -> Self {
        Self {
            response,
            received: Vec::new(),
        }
    }

    /// The data of the next event. The API sends each event's data in one line.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(data) = take_data(&mut self.received) {
                return Ok(Some(data));
            }
            match self
                .response
                .chunk()
                .await
                .context("the event stream broke")?
            {
                Some(chunk) => self.received.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Takes complete lines, up to the first one with data.
fn take_data(received: &mut Vec<u8>) -> Option<String> {
    while let Some(end) = received.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = received.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        if let Some(data) = line.strip_prefix("data:") {
            return Some(data.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_from_any_chunks() {
        let stream =
            ": comment\n\nevent: export\nid: 1\ndata: {\"a\":1}\n\nevent: export\ndata: {}\n\n";
        for size in 1..stream.len() {
            let (mut received, mut found) = (Vec::new(), Vec::new());
            for chunk in stream.as_bytes().chunks(size) {
                received.extend_from_slice(chunk);
                while let Some(data) = take_data(&mut received) {
                    found.push(data);
                }
            }
            assert_eq!(found, ["{\"a\":1}", "{}"], "{size}");
        }
    }
}
