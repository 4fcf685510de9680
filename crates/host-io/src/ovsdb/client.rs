//! JSON-RPC over the unix socket of ovsdb-server.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};

use super::value::{Tables, Touched, touch};
use crate::HostError;

const DATABASE: &str = "Open_vSwitch";
/// Id of the first request, which asks for the tables.
const MONITOR: u64 = 1;
/// Longest wait for an answer: the server is on this host.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection to the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ovsdb {
    socket: PathBuf,
    writer: Arc<AsyncMutex<OwnedWriteHalf>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    tables: Tables,
    /// How many messages have changed them.
    version: u64,
    /// Since the last look.
    touched: Touched,
    waiting: BTreeMap<u64, oneshot::Sender<Value>>,
    next: u64,
    ended: bool,
}

/// What changed in the database.
#[derive(Debug)]
pub struct OvsdbEvents {
    shared: Arc<Shared>,
}

impl OvsdbEvents {
    /// Waits for the next changes. `None`: the connection has ended.
    pub async fn next(&mut self) -> Option<Touched> {
        loop {
            let notified = self.shared.news.notified();
            {
                let mut state = self.shared.state.lock();
                if !state.touched.is_empty() {
                    return Some(std::mem::take(&mut state.touched));
                }
                if state.ended {
                    return None;
                }
            }
            notified.await;
        }
    }
}

impl Ovsdb {
    /// Connects and watches these tables with their columns; returns when the copy is
    /// complete.
    ///
    /// # Errors
    /// When nobody listens or the server refuses.
    pub async fn open(socket: &Path, watch: &[(&str, &[&str])]) -> Result<(Self, OvsdbEvents), HostError> {
        let wrong = |source| HostError::kernel("connect to", socket.display().to_string(), source);
        let (reader, writer) = UnixStream::connect(socket).await.map_err(wrong)?.into_split();
        let shared = Arc::new(Shared::default());
        let writer = Arc::new(AsyncMutex::new(writer));
        tokio::spawn(read(reader, Arc::clone(&writer), Arc::clone(&shared)));
        let database = Self { socket: socket.to_owned(), writer, shared: Arc::clone(&shared) };
        let tables: serde_json::Map<String, Value> = watch
            .iter()
            .map(|(table, columns)| ((*table).to_owned(), json!([{"columns": columns}])))
            .collect();
        let monitor = json!([DATABASE, "isospin", tables]);
        database.call("monitor_cond", monitor).await?;
        Ok((database, OvsdbEvents { shared }))
    }

    /// Looks at the tables as they are now, with their version; news wait meanwhile. `None`
    /// when they are as they were at the version that is known.
    pub fn read_since<T>(&self, known: Option<u64>, look: impl FnOnce(&Tables) -> T) -> Option<(u64, T)> {
        let state = self.shared.state.lock();
        (known != Some(state.version)).then(|| (state.version, look(&state.tables)))
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.state.lock().ended
    }

    /// Carries out all operations or none.
    ///
    /// # Errors
    /// When the connection has ended, or the server refuses one of them.
    pub async fn transact(&self, operations: Vec<Value>) -> Result<(), HostError> {
        if operations.is_empty() {
            return Ok(());
        }
        let mut parameters = vec![json!(DATABASE)];
        parameters.extend(operations);
        let answers = self.call("transact", Value::Array(parameters)).await?;
        let refused = answers.as_array().into_iter().flatten().find(|answer| answer["error"].is_string());
        match refused {
            Some(answer) => {
                let text = format!("{} {}", answer["error"], answer["details"]);
                Err(self.wrong("change", io::Error::other(text)))
            }
            None => Ok(()),
        }
    }

    async fn call(&self, method: &str, parameters: Value) -> Result<Value, HostError> {
        let (answer, wait) = oneshot::channel();
        let id = {
            let mut state = self.shared.state.lock();
            if state.ended {
                return Err(self.wrong("ask", io::ErrorKind::NotConnected.into()));
            }
            state.next += 1;
            let id = state.next;
            state.waiting.insert(id, answer);
            id
        };
        let request = json!({"method": method, "params": parameters, "id": id}).to_string();
        self.writer.lock().await.write_all(request.as_bytes()).await.map_err(|e| self.wrong("ask", e))?;
        let gone = || self.wrong("ask", io::ErrorKind::ConnectionReset.into());
        let mut answer = match tokio::time::timeout(LIMIT, wait).await {
            Ok(answer) => answer.map_err(|_| gone())?,
            Err(_) => {
                self.shared.state.lock().waiting.remove(&id);
                return Err(self.wrong("ask", io::ErrorKind::TimedOut.into()));
            }
        };
        if !answer["error"].is_null() {
            return Err(self.wrong("ask", io::Error::other(answer["error"].to_string())));
        }
        Ok(answer["result"].take())
    }

    fn wrong(&self, operation: &'static str, source: io::Error) -> HostError {
        HostError::kernel(operation, format!("the database at {}", self.socket.display()), source)
    }
}

/// Takes in what the server says until it hangs up.
async fn read(mut reader: OwnedReadHalf, writer: Arc<AsyncMutex<OwnedWriteHalf>>, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    'connection: while let Ok(count @ 1..) = reader.read(&mut chunk).await {
        buffer.extend(chunk.iter().take(count));
        let (messages, used) = messages(&buffer);
        let Ok(messages) = messages else { break };
        buffer.drain(..used);
        for message in messages {
            if let Some(reply) = shared.take(message)
                && writer.lock().await.write_all(reply.as_bytes()).await.is_err()
            {
                break 'connection;
            }
        }
    }
    let mut state = shared.state.lock();
    state.ended = true;
    state.waiting.clear();
    drop(state);
    shared.news.notify_one();
}

/// The whole messages at the front of the buffer, and how many bytes they take.
fn messages(buffer: &[u8]) -> (Result<Vec<Value>, serde_json::Error>, usize) {
    let mut stream = serde_json::Deserializer::from_slice(buffer).into_iter::<Value>();
    let (mut found, mut used) = (Vec::new(), 0);
    loop {
        match stream.next() {
            Some(Ok(message)) => {
                found.push(message);
                used = stream.byte_offset();
            }
            Some(Err(error)) if error.is_eof() => return (Ok(found), used),
            Some(Err(error)) => return (Err(error), used),
            None => return (Ok(found), used),
        }
    }
}

impl Shared {
    /// Takes in one message; what to answer.
    fn take(&self, mut message: Value) -> Option<String> {
        let method = message["method"].as_str().map(str::to_owned);
        match method.as_deref() {
            Some("echo") => {
                let reply = json!({"id": message["id"], "result": message["params"], "error": null});
                return Some(reply.to_string());
            }
            Some("update2") => {
                let mut state = self.state.lock();
                state.version += 1;
                for (row, change) in state.tables.update(&message["params"][1]) {
                    touch(&mut state.touched, row, change);
                }
                drop(state);
                self.news.notify_one();
            }
            Some(_) => {}
            None => {
                let id = message["id"].as_u64()?;
                let mut state = self.state.lock();
                if id == MONITOR {
                    // At once: changes may follow in the same breath.
                    state.tables.update(&message["result"]);
                }
                if let Some(answer) = state.waiting.remove(&id) {
                    // Who asked may have gone.
                    let _ = answer.send(message.take());
                }
            }
        }
        None
    }
}
