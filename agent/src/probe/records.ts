export { forEachRecord } from '@tocsin/native';
