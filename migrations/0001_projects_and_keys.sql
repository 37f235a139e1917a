-- Who may ask for exports.

CREATE TABLE projects (
    -- proj_ and up to 64 characters that need no escaping in an object's key.
    id         text        PRIMARY KEY CHECK (id ~ '^proj_[A-Za-z0-9_-]{1,64}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id   text        NOT NULL REFERENCES projects (id),
    -- The key's first characters, for telling keys apart in lists. The rest is stored nowhere.
    prefix       text        NOT NULL,
    -- A key has 256 random bits, so a plain hash cannot be searched for it.
    key_sha256   bytea       NOT NULL CHECK (octet_length(key_sha256) = 32),
    label        text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- To the minute: written at most once in it, so that reads do not become writes.
    last_used_at timestamptz,
    revoked_at   timestamptz
);

-- Every request looks its key up here.
CREATE UNIQUE INDEX api_keys_key_sha256 ON api_keys (key_sha256);
CREATE INDEX api_keys_project_id ON api_keys (project_id);
