//! Work that blocks its thread, on threads of its own.
//!
//! Invariant: at most so many threads as the pool was told; what waits for a thread waits without one, and is
//! forgotten when its caller is. A caller that leaves does not stop work that has begun: its thread is busy until
//! the work ends, and the process may end before. This file does not know deadlines.

use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};

use crate::roles::{Agent, AgentError, Fields};

type Job = Box<dyn FnOnce() + Send>;

/// No thread can be had for the work.
#[derive(Debug, thiserror::Error)]
#[error("no thread starts for work that blocks: {0}")]
pub struct BlockingError(#[from] std::io::Error);

/// Threads for work that blocks. They start when they are needed and end with the pool.
pub struct BlockingPool {
    /// One permit for each thread: who has it finds one.
    turns: Arc<Semaphore>,
    most: usize,
    desk: Arc<Desk>,
}

/// Where threads find work.
#[derive(Default)]
struct Desk {
    work: Mutex<Todo>,
    came: Condvar,
}

#[derive(Default)]
struct Todo {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl BlockingPool {
    /// A pool of at most `threads` threads, at least one.
    pub fn new(threads: usize) -> Self {
        let most = threads.max(1);
        Self {
            turns: Arc::new(Semaphore::new(most)),
            most,
            desk: Arc::default(),
        }
    }

    /// Runs `work` on a thread of the pool. Panics of the work are the caller's.
    ///
    /// # Errors
    /// [`BlockingError`] when no thread starts.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let (report, reported) = oneshot::channel::<Result<T, Box<dyn Any + Send>>>();
        self.submit(Box::new(move || {
            if !report.is_closed() {
                // Nobody may be there any more to hear it.
                let _ = report.send(catch_unwind(AssertUnwindSafe(work)));
            }
            drop(turn);
        }))?;
        match reported.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(BlockingError(std::io::Error::other("the pool is closed"))),
        }
    }

    fn submit(&self, job: Job) -> Result<(), BlockingError> {
        let mut work = self.desk.work();
        work.jobs.push_back(job);
        if work.jobs.len() > work.idle && work.threads < self.most {
            let desk = Arc::clone(&self.desk);
            let named = thread::Builder::new().name("llmteam-blocking".into());
            match named.spawn(move || desk.serve()) {
                Ok(_) => work.threads += 1,
                // One that is busy now comes to it later.
                Err(_) if work.threads > 0 => {}
                Err(error) => {
                    work.jobs.pop_back();
                    return Err(error.into());
                }
            }
        }
        drop(work);
        self.desk.came.notify_one();
        Ok(())
    }
}

impl Desk {
    fn serve(&self) {
        let mut work = self.work();
        loop {
            if let Some(job) = work.jobs.pop_front() {
                drop(work);
                job();
                work = self.work();
            } else if work.closed {
                return;
            } else {
                work.idle += 1;
                work = self.came.wait(work).unwrap_or_else(PoisonError::into_inner);
                work.idle -= 1;
            }
        }
    }

    fn work(&self) -> MutexGuard<'_, Todo> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        let mut work = self.desk.work();
        work.closed = true;
        work.jobs.clear();
        drop(work);
        self.desk.came.notify_all();
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("most", &self.most)
            .field("threads", &self.desk.work().threads)
            .finish_non_exhaustive()
    }
}

/// What an agent that blocks does.
type Work = dyn Fn(&Fields) -> Result<Fields, AgentError> + Send + Sync;

/// An agent whose work blocks its thread: a function on a pool.
///
/// It is handed a copy of the input, because it may outlive its caller.
#[derive(Clone)]
pub struct BlockingAgent {
    name: Box<str>,
    pool: Arc<BlockingPool>,
    work: Arc<Work>,
}

impl BlockingAgent {
    /// The agent `name`, which does `work` on `pool`.
    pub fn new(
        name: impl Into<Box<str>>,
        pool: Arc<BlockingPool>,
        work: impl Fn(&Fields) -> Result<Fields, AgentError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            pool,
            work: Arc::new(work),
        }
    }
}

#[async_trait]
impl Agent for BlockingAgent {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    async fn process(&self, input: &Fields) -> Result<Fields, AgentError> {
        let (work, input) = (Arc::clone(&self.work), input.clone());
        let done = self.pool.run(move || work(&input)).await;
        done.unwrap_or_else(|error| Err(AgentError::transient(error.to_string())))
    }
}

impl fmt::Debug for BlockingAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingAgent")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
