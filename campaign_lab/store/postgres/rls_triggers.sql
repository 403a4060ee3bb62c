-- Triggers of the PostgreSQL store, for what a policy cannot tell because it does not know the row as it was.
-- They mind those whom the policies bind, and nobody else. An at sign with a dot stands for the schema.

-- A session goes on by a turn of its own; only its owner changes the rest. Forks stay in their campaign.
CREATE OR REPLACE FUNCTION @.lab_guard_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
DECLARE
    mine boolean := NEW.owner = session_user;
    new_line boolean := TG_OP = 'INSERT';
    rest @.sessions;
    above @.sessions;
    turn text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        rest := NEW;
        rest.tip_turn := OLD.tip_turn;
        rest.last_paid_at := OLD.last_paid_at;
        rest.swept_at := OLD.swept_at;
        IF rest IS DISTINCT FROM OLD AND NEW.id NOT IN (SELECT @.lab_sessions('change'))
            OR NEW.swept_at IS DISTINCT FROM OLD.swept_at AND NEW.id NOT IN (SELECT @.lab_sessions('delete'))
        THEN
            RAISE insufficient_privilege USING MESSAGE = 'only its owner may change this session';
        END IF;
        IF NEW.id NOT IN (SELECT @.lab_sessions('change')) THEN
            NEW.last_paid_at := greatest(OLD.last_paid_at, NEW.last_paid_at);
            IF NEW.tip_turn IS DISTINCT FROM OLD.tip_turn AND NOT (
                NEW.id IN (SELECT @.lab_sessions('run')) AND EXISTS (
                    SELECT 1 FROM @.turns AS t
                    WHERE t.id = NEW.tip_turn AND t.parent_turn IS NOT DISTINCT FROM OLD.tip_turn))
            THEN
                RAISE insufficient_privilege USING MESSAGE = 'this session may only go on by a turn of its own';
            END IF;
        END IF;
        new_line := (NEW.parent_session, NEW.automatic, NEW.renews)
            IS DISTINCT FROM (OLD.parent_session, OLD.automatic, OLD.renews);
    END IF;
    IF new_line AND NEW.parent_session IS NOT NULL THEN
        SELECT * INTO above FROM @.sessions AS s
        WHERE s.id = NEW.parent_session
            AND s.id IN (SELECT @.lab_sessions(CASE WHEN NEW.automatic THEN 'run' ELSE 'fork' END));
        IF NOT FOUND OR above.campaign IS DISTINCT FROM NEW.campaign
            OR NEW.automatic AND above.owner IS DISTINCT FROM NEW.owner
            OR NOT mine AND (above.url, above.endpoint, above.model, above.brief, above.ttl_seconds, above.pinned,
                    above.metadata, above.swept_at)
                IS DISTINCT FROM (NEW.url, NEW.endpoint, NEW.model, NEW.brief, NEW.ttl_seconds, NEW.pinned,
                    NEW.metadata, NEW.swept_at)
        THEN
            RAISE insufficient_privilege USING MESSAGE = 'that session may not be forked so';
        END IF;
    END IF;
    IF new_line AND NEW.renews IS NOT NULL AND NEW.renews IS DISTINCT FROM above.renews
        AND NEW.renews NOT IN (SELECT @.lab_sessions('own'))
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'that session may not be renewed';
    END IF;
    FOREACH turn IN ARRAY ARRAY[NEW.start_turn, NEW.tip_turn] LOOP
        CONTINUE WHEN turn IS NULL OR TG_OP = 'UPDATE' AND turn IN (OLD.start_turn, OLD.tip_turn);
        IF turn NOT IN (SELECT @.lab_turns(CASE WHEN mine THEN 'fork' ELSE 'run' END)) THEN
            RAISE insufficient_privilege USING MESSAGE = 'a session may not stand on that turn';
        END IF;
    END LOOP;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS lab_guard_session ON @.sessions;
CREATE TRIGGER lab_guard_session BEFORE INSERT OR UPDATE ON @.sessions
FOR EACH ROW WHEN (row_security_active('@.sessions'::regclass)) EXECUTE FUNCTION @.lab_guard_session();

-- A turn only moves to the automatic fork that was made for it.
CREATE OR REPLACE FUNCTION @.lab_guard_turn() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM @.sessions AS f
        WHERE f.id = NEW.session_id AND f.automatic AND f.parent_session = OLD.session_id)
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a turn may only move to the fork that was made for it';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS lab_guard_turn ON @.turns;
CREATE TRIGGER lab_guard_turn BEFORE UPDATE ON @.turns
FOR EACH ROW WHEN (row_security_active('@.turns'::regclass)) EXECUTE FUNCTION @.lab_guard_turn();

-- What was booked stays; an attempt under the name of another role counts for no ledger.
CREATE OR REPLACE FUNCTION @.lab_guard_attempt() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
DECLARE
    rest @.attempts := NEW;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        rest.session_id := OLD.session_id;
        IF OLD.state = 'finished' AND rest IS DISTINCT FROM OLD THEN
            RAISE insufficient_privilege USING MESSAGE = 'a finished attempt stays as it was booked';
        END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.cause := CASE WHEN NEW.user_name = session_user THEN NEW.cause ELSE {taken_in} END;
    ELSIF NEW.session_id IS DISTINCT FROM OLD.session_id AND NOT EXISTS (SELECT 1 FROM @.sessions AS f
        WHERE f.id = NEW.session_id AND f.automatic AND f.parent_session = OLD.session_id)
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'an attempt may only move to the fork that was made for it';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS lab_guard_attempt ON @.attempts;
CREATE TRIGGER lab_guard_attempt BEFORE INSERT OR UPDATE ON @.attempts
FOR EACH ROW WHEN (row_security_active('@.attempts'::regclass)) EXECUTE FUNCTION @.lab_guard_attempt();

-- A key is claimed for the run that it was made of (claims.claim_scope, byte for byte), so that nobody holds up turns of others.
CREATE OR REPLACE FUNCTION @.lab_guard_claim() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM @.attempts AS a JOIN @.sessions AS s ON s.id = a.session_id
        WHERE a.id = NEW.attempt_id AND s.id IN (SELECT @.lab_sessions('run'))
            AND NEW.key = encode(sha256(
                    convert_to(s.owner, 'UTF8') || '\x00'::bytea || convert_to(s.campaign, 'UTF8') || '\x00'::bytea
                    || convert_to(s.url, 'UTF8') || '\x00'::bytea || convert_to(coalesce(a.parent_turn, ''), 'UTF8')
                    || '\x00'::bytea || convert_to(a.key, 'UTF8')), 'hex'))
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a key may only be claimed for an attempt at it';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS lab_guard_claim ON @.claims;
CREATE TRIGGER lab_guard_claim BEFORE INSERT ON @.claims
FOR EACH ROW WHEN (row_security_active('@.claims'::regclass)) EXECUTE FUNCTION @.lab_guard_claim();
