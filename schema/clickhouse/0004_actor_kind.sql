-- What the actor is: business users and others have ids of their own, so a filter by id needs the kind. A column that is empty
-- throughout is kept as one value a part.
ALTER TABLE activity ADD COLUMN IF NOT EXISTS actor_kind LowCardinality(String) AFTER actor_name;
