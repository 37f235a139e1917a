-- Several statuses and several endpoints in the filter of an export.
--
-- An export shows its filter as it was given. So a list has a column of its own, beside the column of the
-- single value, also if it has only one element: at most one of the two is set.
--
-- A worker of the previous release does not know the lists and would export all messages. Replace the
-- workers before the API: only an API of this release writes lists.
ALTER TABLE exports
    ADD COLUMN filter_statuses text[] CHECK (
        cardinality(filter_statuses) BETWEEN 1 AND 50 AND array_ndims(filter_statuses) = 1
        -- Also refuses NULL elements.
        AND filter_statuses <@ ARRAY ['queued', 'delivering', 'succeeded', 'pending_retry', 'failed_permanent']),
    -- Endpoints of the export's direction.
    ADD COLUMN filter_endpoint_ids uuid[] CHECK (
        cardinality(filter_endpoint_ids) BETWEEN 1 AND 50 AND array_ndims(filter_endpoint_ids) = 1
        AND array_position(filter_endpoint_ids, NULL) IS NULL),
    ADD CONSTRAINT exports_filter_once CHECK (
        num_nonnulls(filter_status, filter_statuses) <= 1
        AND num_nonnulls(filter_endpoint_id, filter_endpoint_ids) <= 1);
