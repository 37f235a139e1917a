//! Compares the records with the objects of the store, in pages: what should exist, and what is unknown.

use exports_domain::ExportId;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::split_files::{self, file_key};

/// A file of a completed export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedFile {
    /// The export.
    pub export: ExportId,
    /// The object's key.
    pub object_key: String,
    /// The key of the export's first object, which is the same unless the export is split.
    pub first_key: String,
    /// The recorded size.
    pub size_bytes: u64,
}

/// An object of the store whose key has the form of our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundObject<'a> {
    /// The key.
    pub key: &'a str,
    /// The export in the key.
    pub export: ExportId,
}

impl Database {
    /// The files that should exist, in the order of their exports, after this one.
    pub async fn expected_files(
        &self,
        after: Option<ExportId>,
        limit: u16,
    ) -> Result<Vec<ExpectedFile>, Error> {
        let rows = sqlx::query!(
            r#"
            SELECT id, object_key AS "object_key!", file_size_bytes AS "size_bytes!", files::text AS files FROM exports
            WHERE id > $1 AND status = 'completed' AND expires_at > clock_timestamp()
            ORDER BY id LIMIT $2
            "#,
            after.map_or(Uuid::nil(), |id| id.0),
            i64::from(limit),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        let mut expected = Vec::with_capacity(rows.len());
        for row in rows {
            let file = |number, size_bytes| ExpectedFile {
                export: ExportId(row.id),
                object_key: file_key(&row.object_key, number),
                first_key: row.object_key.clone(),
                size_bytes,
            };
            match row.files {
                None => expected.push(file(1, row.size_bytes.unsigned_abs())),
                Some(text) => {
                    let files = split_files::parse(row.id, &text)?;
                    expected.extend(
                        (1..)
                            .zip(&files)
                            .map(|(number, it)| file(number, it.size_bytes)),
                    );
                }
            }
        }
        Ok(expected)
    }

    /// The positions of the objects that no record names. A running export's objects count as named.
    pub async fn unknown_objects(&self, objects: &[FoundObject<'_>]) -> Result<Vec<usize>, Error> {
        let keys: Vec<_> = objects.iter().map(|object| object.key.to_owned()).collect();
        let exports: Vec<_> = objects.iter().map(|object| object.export.0).collect();
        let positions = sqlx::query_scalar!(
            r#"
            SELECT found.position AS "position!"
            FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY found (key, export_id, position)
            WHERE NOT EXISTS (SELECT FROM export_objects o WHERE o.key = found.key)
              AND NOT EXISTS (
                  SELECT FROM exports e
                  WHERE e.id = found.export_id AND (e.object_key = found.key OR e.status = 'processing'))
            ORDER BY 1
            "#,
            &keys,
            &exports,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        let index = |position: i64| usize::try_from(position - 1).ok();
        Ok(positions.into_iter().filter_map(index).collect())
    }
}
