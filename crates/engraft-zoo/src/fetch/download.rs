//! Downloads a file: whole, verified and only once, however often the connection breaks.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    thread,
    time::Duration,
};

use super::{
    Checksum, FetchError, FetchProgress,
    client::{Client, Failure, Reply},
    partial::{Partial, ResumePoint},
    verify,
};

/// No weight file is larger; a server that sends more is not believed.
pub(super) const MAX_BYTES: u64 = 4_000_000_000;

/// How often to look whether the caller wants to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A file to be downloaded.
pub(super) struct Download<'a> {
    /// Its address.
    pub url: &'a str,
    /// Where it goes; its folder is made if need be.
    pub path: &'a Path,
    /// Its published digest.
    pub checksum: Option<&'a Checksum>,
    /// What is put up with.
    pub patience: Patience,
}

/// How long a silent server is waited for, and the pauses before trying again.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Longest silence.
    pub stall: Duration,
    /// One pause for each further attempt.
    pub pauses: &'static [Duration],
}

impl Patience {
    /// For people and the Internet.
    pub(super) const USUAL: Patience = Patience {
        stall: Duration::from_secs(30),
        pauses: &[
            Duration::from_secs(1),
            Duration::from_secs(2),
            Duration::from_secs(4),
            Duration::from_secs(8),
            Duration::from_secs(16),
        ],
    };
}

impl Download<'_> {
    /// Downloads the file, or waits until another process has done so.
    ///
    /// # Errors
    /// [`FetchError`]; there is never a file at `path` that was not verified.
    pub(super) fn run(&self, progress: &dyn FetchProgress) -> Result<(), FetchError> {
        let folder = self.folder();
        fs::create_dir_all(folder).map_err(FetchError::cache(folder))?;
        let _lock = self.lock(progress)?;
        if self.path.exists() && verify(self.path, self.checksum).is_ok() {
            return Ok(());
        }
        let partial = Partial::of(self.path);
        self.attempts(&partial, progress)?;
        partial.finish(self.path).map_err(FetchError::cache(self.path))
    }

    /// Leaves a whole and verified partial file.
    fn attempts(&self, partial: &Partial, progress: &dyn FetchProgress) -> Result<(), FetchError> {
        let client = Client::new(self.url, self.patience.stall).map_err(|failure| self.error(failure))?;
        for pause in self.patience.pauses {
            match self.attempt(&client, partial, progress) {
                Err(Failure::Passing(_)) => wait(*pause, progress)?,
                result => return result.map_err(|failure| self.error(failure)),
            }
        }
        self.attempt(&client, partial, progress).map_err(|failure| self.error(failure))
    }

    fn attempt(
        &self,
        client: &Client,
        partial: &Partial,
        progress: &dyn FetchProgress,
    ) -> Result<(), Failure> {
        let resume = partial.resume_point(self.url);
        let Some(mut reply) = client.get(self.url, resume.as_ref())? else {
            self.discard(partial)?;
            return Err(Failure::Passing("the file became shorter".to_owned()));
        };
        if reply.total.is_some_and(|total| total > MAX_BYTES) {
            return Err(Failure::Lasting(format!("more than {MAX_BYTES} bytes")));
        }
        let mut file = self.open(partial, &reply, resume.as_ref())?;
        progress.begin(&self.file_name(), reply.total);
        self.receive(&mut reply, &mut file, partial, progress)?;
        self.check(partial, reply.start > 0)
    }

    /// Opens the partial file where the reply begins.
    fn open(&self, partial: &Partial, reply: &Reply, resume: Option<&ResumePoint>) -> Result<File, Failure> {
        let opened = match resume {
            _ if reply.start == 0 => partial.begin(self.url, reply.etag.as_deref()),
            Some(point) if point.offset == reply.start => partial.resume(reply.start),
            _ => {
                self.discard(partial)?;
                return Err(Failure::Passing(format!("bytes from {}, which nobody asked for", reply.start)));
            }
        };
        opened.map_err(FetchError::cache(&partial.path)).map_err(Failure::Other)
    }

    fn receive(
        &self,
        reply: &mut Reply,
        file: &mut File,
        partial: &Partial,
        progress: &dyn FetchProgress,
    ) -> Result<(), Failure> {
        let disk = || |problem| Failure::Other(FetchError::cache(&partial.path)(problem));
        let mut buffer = vec![0; 1 << 16];
        let mut received = reply.start;
        loop {
            progress.received(received);
            if progress.is_cancelled() {
                return Err(Failure::Other(FetchError::Cancelled));
            }
            let len = reply.body.read(&mut buffer)?;
            if len == 0 {
                break;
            }
            received += len as u64;
            if received > MAX_BYTES {
                self.discard(partial)?;
                return Err(Failure::Lasting(format!("more than {MAX_BYTES} bytes")));
            }
            file.write_all(&buffer[..len]).map_err(disk())?;
        }
        file.sync_all().map_err(disk())?;
        match reply.total.filter(|total| *total != received) {
            Some(total) => Err(Failure::Passing(format!("ended after {received} of {total} bytes"))),
            None => Ok(()),
        }
    }

    /// Verifies the file. Where a resumed one is wrong, the bytes from before may be to blame, so it is worth another try.
    fn check(&self, partial: &Partial, resumed: bool) -> Result<(), Failure> {
        match verify(&partial.path, self.checksum) {
            Err(FetchError::Damaged { found, expected, .. }) => {
                self.discard(partial)?;
                let origin = self.url.to_owned();
                Err(match resumed {
                    true => Failure::Passing(format!("found {found}, expected {expected}")),
                    false => Failure::Other(FetchError::Damaged { origin, found, expected }),
                })
            }
            result => result.map_err(Failure::Other),
        }
    }

    fn discard(&self, partial: &Partial) -> Result<(), Failure> {
        partial.discard().map_err(FetchError::cache(&partial.path)).map_err(Failure::Other)
    }

    /// Waits for the right to download this file; it ends with the returned file, also when the process is killed.
    fn lock(&self, progress: &dyn FetchProgress) -> Result<File, FetchError> {
        let path = self.folder().join(format!(".{}.lock", self.file_name()));
        let lock = File::create(&path).map_err(FetchError::cache(&path))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(fs::TryLockError::WouldBlock) => wait(LOOK_EVERY, progress)?,
                Err(fs::TryLockError::Error(problem)) => return Err(FetchError::cache(&path)(problem)),
            }
        }
    }

    fn error(&self, failure: Failure) -> FetchError {
        match failure {
            Failure::Other(error) => error,
            Failure::Passing(problem) | Failure::Lasting(problem) => FetchError::Download {
                url: self.url.to_owned(),
                problem,
                file: self.file_name(),
                folder: self.folder().to_owned(),
            },
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Sleeps, unless the caller wants to stop.
fn wait(duration: Duration, progress: &dyn FetchProgress) -> Result<(), FetchError> {
    let mut left = duration;
    loop {
        if progress.is_cancelled() {
            return Err(FetchError::Cancelled);
        }
        if left.is_zero() {
            return Ok(());
        }
        let nap = left.min(LOOK_EVERY);
        thread::sleep(nap);
        left -= nap;
    }
}
