//! A stored row as a data key, the same for every engine of SQL.
//!
//! Invariant: a row that is neither wrapped nor destroyed is damaged, and said to be.

use crate::{
    clock::Timestamp,
    context::crypto::{
        dek::{DekId, DekRecord, DekState, WrappedDek},
        error::DekStoreError,
        kek::KekVersion,
    },
    id::TenantId,
    sql::SqlError,
};

/// The columns of a row: run, name, version, wrapped bytes, times of creation and destruction.
pub(super) type Row = (
    String,
    Vec<u8>,
    Option<i64>,
    Option<Vec<u8>>,
    i64,
    Option<i64>,
);

/// What a row says.
pub(super) fn record(tenant: &TenantId, row: Row) -> Result<DekRecord, DekStoreError> {
    let (run, id, kek, wrapped, created, shredded) = row;
    let damaged = |reason| DekStoreError::Damaged {
        run: run.clone(),
        reason,
    };
    let id: [u8; DekId::LEN] = id
        .try_into()
        .map_err(|_| damaged("its name is not 16 bytes"))?;
    let kek = kek.map(u32::try_from).transpose();
    let kek = kek.map_err(|_| damaged("its version is no version"))?;
    let state = match (wrapped, kek, shredded) {
        (Some(bytes), Some(kek), None) => DekState::Live(WrappedDek {
            kek: KekVersion(kek),
            bytes,
        }),
        (None, None, Some(at)) => DekState::Shredded {
            at: Timestamp::from_micros(at),
        },
        _ => return Err(damaged("it is neither wrapped nor destroyed")),
    };
    Ok(DekRecord {
        tenant: tenant.clone(),
        run: run.parse().map_err(|_| damaged("its run is no run id"))?,
        id: DekId::from_bytes(id),
        state,
        created_at: Timestamp::from_micros(created),
    })
}

impl From<SqlError> for DekStoreError {
    fn from(error: SqlError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<sqlx::Error> for DekStoreError {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}
