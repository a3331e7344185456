"""The private server does not affect other servers."""

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB


def test_temporary_tables_of_other_servers_are_out_of_reach(mariadb: PrivateMariaDB) -> None:
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@tmpdir, @@skip_networking")

        assert cursor.fetchone() == (str(mariadb.data_directory), 1)
