//! Functions and tables that SQL knows by name, by what calling or reading them tells.
//!
//! Sources: function references of the MySQL 8.4, PostgreSQL 17, Transact-SQL, Oracle 23, SQLite, Firebird, DB2,
//! Informix and HSQLDB manuals.

/// Longest name looked up, in bytes.
const MAX_LEN: usize = 40;

/// What a call tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Waits or burns time, so that the answer's delay carries a bit.
    Time,
    /// Fails with an error message that quotes its argument.
    Error,
    /// Reads or writes files, opens connections or runs programs.
    Outside,
    /// Tells about the server, its user or its database.
    Server,
    /// Takes strings apart or builds them, as SQL names it.
    Text,
    /// Branches on its first argument.
    Condition,
    /// Exists in SQL, and in most other languages.
    Common,
    /// Not known to SQL.
    Unknown,
}

/// What a call of `name` tells.
pub(super) fn function(name: &[u8]) -> Function {
    let mut lower = [0; MAX_LEN];
    let Some(lower) = lower.get_mut(..name.len()) else {
        return Function::Unknown;
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    match &*lower {
        b"sleep"
        | b"benchmark"
        | b"pg_sleep"
        | b"pg_sleep_for"
        | b"pg_sleep_until"
        | b"dbms_lock.sleep"
        | b"dbms_session.sleep"
        | b"user_lock.sleep"
        | b"dbms_pipe.receive_message"
        | b"randomblob"
        | b"zeroblob"
        | b"generate_series"
        | b"regexp_substring"
        | b"get_lock"
        | b"master_pos_wait" => Function::Time,
        b"extractvalue"
        | b"updatexml"
        | b"gtid_subset"
        | b"gtid_subtract"
        | b"name_const"
        | b"geometrycollection"
        | b"multipoint"
        | b"multipolygon"
        | b"linestring"
        | b"multilinestring"
        | b"polygon"
        | b"st_latfromgeohash"
        | b"st_longfromgeohash"
        | b"st_pointfromgeohash"
        | b"ctxsys.drithsx.sn"
        | b"ctxsys.ctx_report.token_type"
        | b"utl_inaddr.get_host_name"
        | b"utl_inaddr.get_host_address"
        | b"dbms_utility.sqlid_to_sqlhash"
        | b"dbms_xmlgen.getxml"
        | b"xmltype"
        | b"ordsys.ord_dicom.getmappingxpath"
        | b"json_keys"
        | b"query_to_xml"
        | b"database_to_xml"
        | b"json_storage_size"
        | b"crypt_key" => Function::Error,
        b"load_file"
        | b"load_extension"
        | b"utl_http.request"
        | b"httpuritype"
        | b"utl_file.fopen"
        | b"utl_tcp.open_connection"
        | b"utl_smtp.open_connection"
        | b"dbms_ldap.init"
        | b"pg_read_file"
        | b"pg_read_binary_file"
        | b"pg_ls_dir"
        | b"lo_import"
        | b"lo_export"
        | b"dblink"
        | b"dblink_connect"
        | b"dblink_send_query"
        | b"openrowset"
        | b"opendatasource"
        | b"openquery"
        | b"fn_xe_file_target_read_file"
        | b"fn_get_audit_file"
        | b"fn_trace_gettable"
        | b"writefile"
        | b"readfile"
        | b"filetoblob"
        | b"filetoclob"
        | b"xp_cmdshell"
        | b"xp_dirtree"
        | b"sys_exec"
        | b"sys_eval"
        | b"fts3_tokenizer"
        | b"dbms_scheduler.create_job"
        | b"dbms_java.runjava"
        | b"dbms_xmlquery.newcontext"
        | b"dbms_xslprocessor.clob2file" => Function::Outside,
        b"version"
        | b"user"
        | b"database"
        | b"schema"
        | b"current_user"
        | b"session_user"
        | b"system_user"
        | b"current_database"
        | b"current_schema"
        | b"current_setting"
        | b"sqlite_version"
        | b"sqlite_source_id"
        | b"sqlite_compileoption_used"
        | b"db_name"
        | b"db_id"
        | b"user_name"
        | b"user_id"
        | b"suser_name"
        | b"suser_sname"
        | b"suser_id"
        | b"host_name"
        | b"host_id"
        | b"object_id"
        | b"object_name"
        | b"col_name"
        | b"is_srvrolemember"
        | b"is_member"
        | b"has_dbaccess"
        | b"serverproperty"
        | b"connection_id"
        | b"inet_server_addr"
        | b"inet_server_port"
        | b"pg_backend_pid"
        | b"pg_client_encoding"
        | b"row_count"
        | b"found_rows"
        | b"last_insert_id"
        | b"last_insert_rowid"
        | b"changes"
        | b"total_changes"
        | b"sys_context"
        | b"userenv"
        | b"dbms_utility.port_string"
        | b"dbinfo"
        | b"get_host_name"
        | b"charset"
        | b"coercibility"
        | b"conv_user"
        | b"icu_version"
        | b"sqlite_version_number"
        | b"quote_literal"
        | b"is_used_lock"
        | b"is_free_lock"
        | b"uuid_short" => Function::Server,
        b"ascii"
        | b"ord"
        | b"char"
        | b"chr"
        | b"nchar"
        | b"unicode"
        | b"hex"
        | b"unhex"
        | b"concat_ws"
        | b"group_concat"
        | b"string_agg"
        | b"listagg"
        | b"wm_concat"
        | b"array_agg"
        | b"xmlagg"
        | b"substr"
        | b"substring"
        | b"substrb"
        | b"mid"
        | b"char_length"
        | b"character_length"
        | b"bit_length"
        | b"octet_length"
        | b"aes_decrypt"
        | b"aes_encrypt"
        | b"des_decrypt"
        | b"des_encrypt"
        | b"to_base64"
        | b"from_base64"
        | b"rawtohex"
        | b"hextoraw"
        | b"utl_raw.cast_to_raw"
        | b"utl_raw.cast_to_varchar2"
        | b"utl_encode.base64_encode"
        | b"encode"
        | b"decode"
        | b"to_char"
        | b"to_number"
        | b"to_clob"
        | b"charindex"
        | b"patindex"
        | b"stuff"
        | b"quotename"
        | b"replicate"
        | b"datalength"
        | b"bin"
        | b"conv"
        | b"strpos"
        | b"instr"
        | b"locate"
        | b"find_in_set"
        | b"field"
        | b"elt"
        | b"make_set"
        | b"lpad"
        | b"rpad"
        | b"pi"
        | b"crc32"
        | b"sha1"
        | b"md5"
        | b"sha2"
        | b"oct"
        | b"compress"
        | b"uncompress"
        | b"row_to_json"
        | b"json_arrayagg"
        | b"json_object"
        | b"json_extract"
        | b"export_set"
        | b"inet_aton"
        | b"inet_ntoa"
        | b"soundex"
        | b"printf"
        | b"likelihood"
        | b"likely"
        | b"unlikely"
        | b"regexp_like"
        | b"regexp_substr"
        | b"regexp_replace"
        | b"regexp_instr"
        | b"st_geomfromtext"
        | b"convert"
        | b"cast"
        | b"try_cast"
        | b"try_convert"
        | b"dateadd"
        | b"datediff" => Function::Text,
        b"if" | b"iif" | b"ifnull" | b"nullif" | b"isnull" | b"coalesce" | b"nvl" | b"nvl2" | b"greatest"
        | b"least" => Function::Condition,
        b"count" | b"max" | b"min" | b"sum" | b"avg" | b"lower" | b"upper" | b"lcase" | b"ucase" | b"length"
        | b"len" | b"concat" | b"left" | b"right" | b"replace" | b"insert" | b"reverse" | b"trim" | b"ltrim"
        | b"rtrim" | b"repeat" | b"space" | b"abs" | b"round" | b"floor" | b"ceil" | b"ceiling" | b"rand"
        | b"random" | b"exp" | b"log" | b"ln" | b"sqrt" | b"power" | b"pow" | b"mod" | b"sign" | b"sin" | b"cos"
        | b"tan" | b"cot" | b"atan" | b"truncate" | b"now" | b"sysdate" | b"curdate" | b"curtime" | b"getdate"
        | b"date" | b"year" | b"month" | b"day" | b"time" | b"quote" | b"format" | b"row" | b"values" | b"glob"
        | b"like" | b"exists" | b"any" | b"binary" | b"typeof" | b"position" | b"split_part" | b"translate"
        | b"initcap" | b"uuid" | b"newid" | b"grouping" | b"array" => Function::Common,
        _ => Function::Unknown,
    }
}

/// Whether `name`, as written after `from`, is a table of the server's own catalogue.
pub(super) fn is_catalog(name: &[u8]) -> bool {
    const SCHEMAS: &[&[u8]] = &[
        b"information_schema",
        b"performance_schema",
        b"pg_catalog",
        b"sysibm",
        b"syscat",
        b"syscolumns",
        b"sysobjects",
        b"sysusers",
        b"sysdatabases",
        b"syslogins",
        b"master",
        b"msysobjects",
        b"mysql",
        b"rdb$",
        b"v$",
        b"gv$",
        b"sqlite_master",
        b"sqlite_schema",
        b"sqlite_temp_master",
        b"all_tables",
        b"all_tab_columns",
        b"all_users",
        b"user_tables",
        b"user_tab_columns",
        b"user_objects",
        b"dba_users",
        b"dba_tables",
        b"pg_tables",
        b"pg_shadow",
        b"pg_user",
        b"pg_database",
        b"pg_class",
        b"pg_stat_activity",
        b"dual",
        b"sysmaster",
        b"systables",
        b"domain.",
        b"sys.tables",
        b"sys.objects",
        b"sys.columns",
        b"sys.databases",
        b"sys.schemas",
        b"sys.sql_logins",
        b"sys.syslogins",
        b"sys.user$",
        b"sys.schema_table_statistics",
    ];
    SCHEMAS.iter().any(|schema| {
        let Some((head, tail)) = name.split_at_checked(schema.len()) else {
            return false;
        };
        head.eq_ignore_ascii_case(schema)
            && (schema.ends_with(b"$") || schema.ends_with(b".") || matches!(tail.first(), None | Some(b'.' | b' ')))
    })
}

/// Whether `name` is a stored procedure that reaches outside of the database, or a system procedure of SQL Server.
pub(super) fn is_system_procedure(name: &[u8]) -> bool {
    let name = name.rsplit(|&b| b == b'.').next().unwrap_or(name);
    match name {
        [x, p, b'_', ..] => matches!((x.to_ascii_lowercase(), p.to_ascii_lowercase()), (b'x' | b's', b'p')),
        _ => false,
    }
}
